"""Room: vision."""
