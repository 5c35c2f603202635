"""Shapes of the second readers. No torch here."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bothways.core.config import Config, part
from bothways.evaluate.second import SECOND_READERS

if TYPE_CHECKING:
    from bothways.evaluate.second.labels import AbstractLabels
    from bothways.evaluate.second.trunk import AbstractReaderNetwork


class SecondReaderConfig(Config):
    """Base of the second readers' configs; `kind` is the world that it reads."""

    kind: str
    input_px: int = Field(64, gt=0)  # side to which every picture is scaled first
    sizes_px: tuple[int, ...] = Field((48, 64), min_length=1)  # sides of the pictures that it is trained on and reads
    channels: tuple[int, ...] = Field((16, 32, 64, 96), min_length=1)  # of the trunk, from full size down, halved each time
    groups: int = Field(4, gt=0)  # of the group norms
    width: int = Field(64, gt=0)  # of the vector of one corner or place
    seed: int = 0  # names the weights that training begins with

    @abstractmethod
    def labels(self) -> AbstractLabels:
        """What it names."""

    @abstractmethod
    def build(self) -> AbstractReaderNetwork:
        """The network, untrained."""


AnySecondReaderConfig = part(SecondReaderConfig, SECOND_READERS)


class WatchReaderConfig(SecondReaderConfig):
    """Corners (one set of weights for all) and colour from the trunk's map, hands from the picture in polar coordinates."""

    kind: Literal["watch"] = "watch"
    num_radii: int = Field(12, gt=0)  # rings on which the disc is looked at
    hand_channels: int = Field(64, gt=0)  # of the layers that run around the disc

    def labels(self) -> AbstractLabels:
        from bothways.evaluate.second.watch import WatchLabels

        return WatchLabels()

    def build(self) -> AbstractReaderNetwork:
        from bothways.evaluate.second.watch_network import WatchNetwork

        return WatchNetwork(self)


class ShapesReaderConfig(SecondReaderConfig):
    """Nine places looked at by the same weights; 72 px are three times 24."""

    kind: Literal["shapes"] = "shapes"
    input_px: int = Field(72, gt=0, multiple_of=24)  # side to which every picture is scaled first

    def labels(self) -> AbstractLabels:
        from bothways.evaluate.second.shapes import ShapesLabels

        return ShapesLabels()

    def build(self) -> AbstractReaderNetwork:
        from bothways.evaluate.second.shapes_network import ShapesNetwork

        return ShapesNetwork(self)
