"""Fresh pictures of a world's training split for modules that learn from pixels alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bothways.core.randomness import rng
from bothways.worlds.world import AbstractWorld


class PictureStream:
    """`batches(step)` for the trainer: no picture is shown twice, and which ones a step shows depends on the step alone."""

    def __init__(
        self,
        worlds: dict[str, AbstractWorld],
        shares: dict[str, float],
        samples_per_step: int,
        size_px: int,
        batch: Callable[[np.ndarray], Any],
        seed: int = 0,
    ):
        """`shares` add up to 1. `batch` turns uint8 (n, size_px, size_px, 3) into what the module trains on."""
        self.worlds, self.names = worlds, sorted(shares)
        self.shares = np.array([shares[name] for name in self.names])
        self.samples_per_step, self.size_px, self.batch, self.seed = samples_per_step, size_px, batch, seed

    def batches(self, step: int) -> list[Any]:
        chosen = rng(self.seed, "pictures", step).choice(len(self.names), self.samples_per_step, p=self.shares)
        first = step * self.samples_per_step
        return [self.batch(np.stack([self._pixels(which, first + i) for i, which in enumerate(chosen)]))]

    def _pixels(self, which: int, index: int) -> np.ndarray:
        return self.worlds[self.names[which]].picture("train", index).pixels(self.size_px)
