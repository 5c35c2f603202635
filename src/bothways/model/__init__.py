"""The unified model: tokenizers, projectors, one backbone, one head; what is trained; how it is saved and loaded."""
