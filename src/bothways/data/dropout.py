"""Condition dropout: which given segments of a sample are `nothing` at a step. No torch here."""

from __future__ import annotations

from bothways.core.randomness import rng
from bothways.core.sample import Sample
from bothways.data.configs import MixtureConfig


def dropped(sample: Sample, step: int, config: MixtureConfig) -> frozenset[str]:
    """Given "text" and "image" are dropped apart, only in samples that learn an image."""
    share = config.drop_condition
    if not share or not sample.learns_image:
        return frozenset()
    draw = rng(config.seed, "drop", sample.id, step)
    return frozenset(kind for kind in ("text", "image") if draw.random() < share)
