"""Room: worlds."""
