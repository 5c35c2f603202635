"""The door of every source of samples. No torch here: samples can be printed without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from bothways.core.sample import AbstractPicture, Sample


class Source(Protocol):
    """A pool of samples."""

    def sample(self, cursor: int) -> Sample:
        """Sample `cursor` >= 0: a pure function."""

    def pictures(self) -> Iterable[AbstractPicture]:
        """Every picture of a finite pool, which can be encoded before training; nothing of an endless one."""

    def keep(self, fits: Callable[[Sample], object]) -> None:
        """Called once before training: leave out what `fits` refuses with a DataError, where that is for a source to do."""
