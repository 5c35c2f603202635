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


def trunk(config: SecondReaderConfig, padding_mode: str = "zeros") -> nn.Sequential:
    """The picture as a map of `channels[-1]` channels, halved in side with every further entry of `channels`."""

    def layer(before: int, after: int, stride: int = 1) -> tuple[nn.Module, ...]:
        look = nn.Conv2d(before, after, 3, stride=stride, padding=1, padding_mode=padding_mode)
        return look, nn.GroupNorm(config.groups, after), nn.ReLU()

    layers = [*layer(3, config.channels[0])]
    for before, after in pairwise(config.channels):
        layers += [*layer(before, after, stride=2), *layer(after, after)]
    return nn.Sequential(*layers)
