"""Studies: one file a scientific question."""
