"""Fresh pictures of several worlds' training splits for modules that learn from one picture at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bothways.core.randomness import rng
from bothways.worlds.world import AbstractWorld, ScenePicture


class PictureStream:
    """`batches(step)` for the trainer: no picture is shown twice, and which ones a step shows depends on the step alone."""

    def __init__(
        self,
        worlds: dict[str, AbstractWorld],
        shares: dict[str, float],
        samples_per_step: int,
        batch: Callable[[list[ScenePicture], np.random.Generator], Any],
        seed: int = 0,
    ):
        """`shares` add up to 1. `batch` turns pictures, and the step's own draws, into what the module trains on."""
        self.worlds, self.names = worlds, sorted(shares)
        self.shares = np.array([shares[name] for name in self.names])
        self.samples_per_step, self.batch, self.seed = samples_per_step, batch, seed

    def batches(self, step: int) -> list[Any]:
        return [self.batch(self.pictures(step), rng(self.seed, "draws", step))]

    def pictures(self, step: int) -> list[ScenePicture]:
        """What step `step` shows."""
        chosen = rng(self.seed, "pictures", step).choice(len(self.names), self.samples_per_step, p=self.shares)
        first = step * self.samples_per_step
        return [self.worlds[self.names[which]].picture("train", first + i) for i, which in enumerate(chosen)]
