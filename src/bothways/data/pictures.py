"""Pictures of several worlds' and folders' training splits for modules that learn from one picture at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from bothways.core.randomness import rng
from bothways.core.sample import AbstractPicture
from bothways.worlds.world import Split


class Pictures(Protocol):
    """A world, or a folder of picture files."""

    def picture(self, split: Split, index: int) -> AbstractPicture: ...


class PictureStream:
    """`batches(step)` for the trainer: worlds show no picture twice; which ones a step shows depends on the step alone."""

    def __init__(
        self,
        worlds: dict[str, Pictures],
        shares: dict[str, float],
        samples_per_step: int,
        batch: Callable[[list[AbstractPicture], np.random.Generator], Any] | None,
        seed: int = 0,
    ):
        """`shares` add up to 1. `batch` turns pictures, and the step's own draws, into what the module trains on;
        None where there are no steps and only `pictures` is asked."""
        self.worlds, self.names = worlds, sorted(shares)
        self.shares = np.array([shares[name] for name in self.names])
        self.samples_per_step, self.batch, self.seed = samples_per_step, batch, seed

    def batches(self, step: int) -> list[Any]:
        return [self.batch(self.pictures(step), rng(self.seed, "draws", step))]

    def pictures(self, step: int) -> list[AbstractPicture]:
        """What step `step` shows."""
        chosen = rng(self.seed, "pictures", step).choice(len(self.names), self.samples_per_step, p=self.shares)
        first = step * self.samples_per_step
        return [self.worlds[self.names[which]].picture("train", first + i) for i, which in enumerate(chosen)]
