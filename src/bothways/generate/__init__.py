"""Generation: a prompt is a sample whose learned segments are empty; the answer is the same sample, filled."""
