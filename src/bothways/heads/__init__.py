"""Room: heads."""
