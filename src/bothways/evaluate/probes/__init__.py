"""Probes of a trained model: what its states hold, layer by layer, and whether its two losses pull the same way."""
