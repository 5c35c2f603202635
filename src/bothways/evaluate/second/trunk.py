"""What the networks of all second readers share: plain convolutions, group norms, ReLUs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from bothways.evaluate.second.configs import SecondReaderConfig


class AbstractReaderNetwork(nn.Module, ABC):
    """Pixels in [-1, 1] to logits of every field: its values, then "unreadable"."""

    @abstractmethod
    def forward(self, pixels: Float[Tensor, "B 3 P P"]) -> dict[str, Float[Tensor, "B C"]]: ...


def trunk(config: SecondReaderConfig) -> nn.Sequential:
    """The picture as a map of `channels[-1]` channels, halved in side with every further entry of `channels`."""
    layers = [*_layer(3, config.channels[0], config.groups)]
    for before, after in pairwise(config.channels):
        layers += [*_layer(before, after, config.groups, stride=2), *_layer(after, after, config.groups)]
    return nn.Sequential(*layers)


def _layer(before: int, after: int, groups: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.GroupNorm(groups, after), nn.ReLU()
