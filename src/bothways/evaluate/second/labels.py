"""The door between facts of a world and classes of a network. No torch here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bothways.worlds.world import Read, Reading, WorldConfig

IGNORED = -100  # label of what has none: the colour of a shape that is not there


class AbstractLabels(ABC):
    """`fields`: what the network names, each with its values; one class more, after them, is "unreadable".

    Before an "@" a field names the attribute, after it where: `kind@top left`.
    """

    fields: Mapping[str, tuple[Any, ...]]

    @abstractmethod
    def of(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Field -> value that a picture of these facts shows; None = nothing to be read; a field left out has no label."""

    @abstractmethod
    def painted_over(
        self, pixels: np.ndarray, facts: Mapping[str, Any], draws: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The uint8 picture with one part gone, chosen by `draws`, and the fields that now show something else."""

    @abstractmethod
    def in_use(self, world: WorldConfig) -> dict[str, Sequence[Any]]:
        """Field -> those of its values that occur in a world."""

    @abstractmethod
    def why_not(self, world: WorldConfig) -> str | None:
        """What of a world it was not made for; None where nothing is."""

    @abstractmethod
    def reading(self, reads: Mapping[str, Read]) -> Reading:
        """A reading as the world's own reader gives it, from what was read of each field."""

    def targets(self, shown: Mapping[str, Any]) -> list[int]:
        """Labels by field of what `of` gave."""
        return [self._label(values, shown[name]) if name in shown else IGNORED for name, values in self.fields.items()]

    @staticmethod
    def _label(values: tuple[Any, ...], value: Any) -> int:
        return len(values) if value is None else values.index(value)
