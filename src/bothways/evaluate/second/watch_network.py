"""The network that reads watches. Two ways through the picture, because two things are to be seen.

Corners and colour: the trunk's map, with fewer channels, is cut into quadrants, and each is looked at by weights of its own,
for icon and bar lie elsewhere in each. Hands: the disc is laid out in polar coordinates (angle by radius), where a hand is a
column and turning the watch is moving along; layers that run around the circle score each of 60 directions for each hand. A
share of the battery is one number with a spread, so that near misses teach: its 101 logits are those of a Gaussian.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from bothways.core.randomness import seed_of
from bothways.evaluate.second.configs import WatchReaderConfig
from bothways.evaluate.second.trunk import AbstractReaderNetwork, trunk
from bothways.evaluate.second.watch import MARKS, WatchLabels
from bothways.worlds.watch.palette import CORNERS

NUM_DIRECTIONS = 60
_PER_DIRECTION = 2  # angles that are looked at for each
_RADII = (0.06, 0.42)  # of the innermost and the outermost ring, as shares of the picture's side; the disc's is 0.4


class WatchNetwork(AbstractReaderNetwork):
    """Logits of the fields of `WatchLabels`."""

    def __init__(self, config: WatchReaderConfig):
        super().__init__()
        self.rest = {name: len(values) + 1 for name, values in WatchLabels.fields.items() if name not in MARKS}
        self.rest["battery"] = 3  # middle, spread, unreadable
        side = config.input_px // 2 ** len(config.channels[1:]) // 2  # of a quadrant of the map
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "second reader", "watch"))
            self.trunk = trunk(config)
            self.fewer = nn.Conv2d(config.channels[-1], config.corner_channels, 1)
            self.corners = nn.ModuleList(nn.Linear(config.corner_channels * side**2, config.width) for _ in CORNERS)
            self.whole = nn.Linear(4 * config.width, sum(self.rest.values()))
            self.hands = Around(3 * config.num_radii, config.hand_channels, config.groups)
        self.register_buffer("places", polar_places(config.num_radii), persistent=False)

    def forward(self, pixels: Float[Tensor, "B 3 P P"]) -> dict[str, Float[Tensor, "B C"]]:
        cut = quadrants(self.fewer(self.trunk(pixels)))
        corners = [look(quadrant.flatten(1)).relu() for look, quadrant in zip(self.corners, cut, strict=True)]
        parts = dict(zip(self.rest, self.whole(torch.cat(corners, 1)).split(list(self.rest.values()), 1), strict=True))
        parts["battery"] = share_logits(parts["battery"].float())
        places = self.places.expand(len(pixels), -1, -1, -1).to(pixels.dtype)
        around = F.grid_sample(pixels, places, align_corners=False)
        return parts | self.hands(around.flatten(1, 2))


class Around(nn.Module):
    """Layers around the circle; whether a hand can be read at all is judged over all directions."""

    def __init__(self, given: int, channels: int, groups: int):
        super().__init__()
        self.layers = nn.Sequential(
            *_layer(given, channels, groups, 5, stride=_PER_DIRECTION),
            *_layer(channels, channels, groups, 5),
            *_layer(channels, channels, groups, 5, dilation=3),
        )
        self.direction = nn.Conv1d(channels, len(MARKS), 1)
        self.unreadable = nn.Sequential(nn.Linear(2 * channels, channels), nn.ReLU(), nn.Linear(channels, len(MARKS)))

    def forward(self, rings: Float[Tensor, "B C A"]) -> dict[str, Float[Tensor, "B D"]]:
        found = self.layers(rings)
        scores, lost = self.direction(found), self.unreadable(torch.cat([found.amax(2), found.mean(2)], 1))
        return {
            hand: torch.cat([scores[:, at, :: NUM_DIRECTIONS // marks], lost[:, at : at + 1]], 1)
            for at, (hand, marks) in enumerate(MARKS.items())
        }


def share_logits(found: Float[Tensor, "B 3"]) -> Float[Tensor, "B 102"]:
    """Logits of 0 to 100 percent, then "unreadable", of a middle and a spread, both in units of 30 percent."""
    middle, spread = 50 + 30 * found[:, :1], 0.5 + 30 * F.softplus(found[:, 1:2])
    shares = torch.arange(101, device=found.device, dtype=found.dtype)
    return torch.cat([-0.5 * ((shares - middle) / spread) ** 2 - spread.log(), found[:, 2:]], 1)


def quadrants(found: Float[Tensor, "B C H W"]) -> list[Float[Tensor, "B C h w"]]:
    """Top left, top right, bottom left, bottom right."""
    half = found.shape[-1] // 2
    return [one for row in found.split(half, 2) for one in row.split(half, 3)]


def polar_places(num_radii: int) -> Float[Tensor, "1 R A 2"]:
    """Where to look, as (x, y) in [-1, 1], ring by ring, clockwise from 12."""
    angles = 2 * math.pi * torch.arange(NUM_DIRECTIONS * _PER_DIRECTION) / (NUM_DIRECTIONS * _PER_DIRECTION)
    radii = 2 * torch.linspace(*_RADII, num_radii)[:, None]
    return torch.stack([radii * angles.sin(), -radii * angles.cos()], -1)[None]


def _layer(before: int, after: int, groups: int, reach: int, stride: int = 1, dilation: int = 1) -> tuple[nn.Module, ...]:
    padding = reach // 2 * dilation
    around = nn.Conv1d(before, after, reach, stride=stride, padding=padding, dilation=dilation, padding_mode="circular")
    return around, nn.GroupNorm(groups, after), nn.ReLU()
