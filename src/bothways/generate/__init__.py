"""Room: generate."""
