"""The network that reads watches. Two ways through the picture, because two things are to be seen.

Corners: one set of weights looks at what lies outside the disc in each quadrant of the trunk's map, says what it holds, and
cannot tell in which corner it is, so that an icon is known in a corner where it never was. Which corner has the icon, and which
the battery, is a choice between the four. The colour is told from the middle of the map. Hands: the disc is laid out in polar
coordinates (angle by radius), where a hand is a column and turning the watch is moving along; layers that run around the circle
score each of 60 directions for each hand. A share of the battery is one number with a spread, so that near misses teach.
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
from bothways.evaluate.second.watch import MARKS, RADIUS
from bothways.worlds.watch.palette import COLORS, WEATHERS

NUM_DIRECTIONS = 60
_PER_DIRECTION = 2  # angles that are looked at for each
_RADII = (0.06, 0.42)  # of the innermost and the outermost ring, as shares of the picture's side; the disc's is 0.4


class WatchNetwork(AbstractReaderNetwork):
    """Logits of the fields of `WatchLabels`."""

    def __init__(self, config: WatchReaderConfig):
        super().__init__()
        channels, side = config.channels[-1], config.input_px // 2 ** len(config.channels[1:])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "second reader", "watch"))
            # A border of zeros would tell the corners apart.
            self.trunk = trunk(config, padding_mode="replicate")
            self.corners = Corners(channels, config.width, side // 2)
            self.color = nn.Linear(channels, len(COLORS) + 1)
            self.hands = Around(3 * config.num_radii, config.hand_channels, config.groups)
        self.register_buffer("places", polar_places(config.num_radii), persistent=False)

    def forward(self, pixels: Float[Tensor, "B 3 P P"]) -> dict[str, Float[Tensor, "B C"]]:
        found = self.trunk(pixels)
        quarter = found.shape[-1] // 4
        middle = found[..., quarter:-quarter, quarter:-quarter].mean((2, 3))
        places = self.places.expand(len(pixels), -1, -1, -1).to(pixels.dtype)
        around = F.grid_sample(pixels, places, align_corners=False)
        return self.corners(found) | {"color": self.color(middle)} | self.hands(around.flatten(1, 2))


class Corners(nn.Module):
    """What lies in the four corners, and in which of them."""

    def __init__(self, channels: int, width: int, side: int):
        """`side` of a quadrant of the map."""
        super().__init__()
        self.sizes = [1, 1, len(WEATHERS), 2]  # has the icon, has the battery, which icon, middle and spread of the share
        self.look = nn.Sequential(nn.Linear(2 * channels, width), nn.ReLU())
        self.say = nn.Linear(width, sum(self.sizes))
        self.lost = nn.Linear(2 * width, 4)  # is the icon, its corner, the share, its corner unreadable
        self.register_buffer("outside", outside_disc(side), persistent=False)

    def forward(self, found: Float[Tensor, "B C H W"]) -> dict[str, Float[Tensor, "B D"]]:
        cells = torch.stack(quadrants(found), 1) * self.outside  # B corner C h w; what is no cell outside the disc is 0
        seen = self.look(torch.cat([cells.amax((3, 4)), cells.sum((3, 4)) / self.outside[0].sum()], 2)).float()
        icon, battery, kinds, share = self.say(seen).float().split(self.sizes, 2)
        lost = self.lost(torch.cat([seen.amax(1), seen.mean(1)], 1)).float()
        kind, level = ((chosen.softmax(1) * told).sum(1) for chosen, told in ((icon, kinds), (battery, share)))
        return {
            "weather": torch.cat([kind, lost[:, :1]], 1),
            "weather_corner": torch.cat([icon[:, :, 0], lost[:, 1:2]], 1),
            "battery": torch.cat([share_logits(level), lost[:, 2:3]], 1),
            "battery_corner": torch.cat([battery[:, :, 0], lost[:, 3:]], 1),
        }


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


def share_logits(found: Float[Tensor, "B 2"]) -> Float[Tensor, "B 101"]:
    """Logits of 0 to 100 percent, those of a Gaussian: a middle and a spread, both in units of 30 percent."""
    middle, spread = 50 + 30 * found[:, :1], 0.5 + 30 * F.softplus(found[:, 1:])
    shares = torch.arange(101, device=found.device, dtype=found.dtype)
    return -0.5 * ((shares - middle) / spread) ** 2 - spread.log()


def quadrants(found: Float[Tensor, "B C H W"]) -> list[Float[Tensor, "B C h w"]]:
    """Top left, top right, bottom left, bottom right."""
    half = found.shape[-1] // 2
    return [one for row in found.split(half, 2) for one in row.split(half, 3)]


def outside_disc(side: int) -> Float[Tensor, "4 1 h w"]:
    """1 for the cells of each quadrant whose middle lies outside the disc, 0 for the others."""
    at = (torch.arange(2 * side) + 0.5) / (2 * side) - 0.5
    outside = (torch.hypot(at[:, None], at) > RADIUS).float()
    return torch.stack(quadrants(outside[None, None]), 1)[0]


def polar_places(num_radii: int) -> Float[Tensor, "1 R A 2"]:
    """Where to look, as (x, y) in [-1, 1], ring by ring, clockwise from 12."""
    angles = 2 * math.pi * torch.arange(NUM_DIRECTIONS * _PER_DIRECTION) / (NUM_DIRECTIONS * _PER_DIRECTION)
    radii = 2 * torch.linspace(*_RADII, num_radii)[:, None]
    return torch.stack([radii * angles.sin(), -radii * angles.cos()], -1)[None]


def _layer(before: int, after: int, groups: int, reach: int, stride: int = 1, dilation: int = 1) -> tuple[nn.Module, ...]:
    padding = reach // 2 * dilation
    around = nn.Conv1d(before, after, reach, stride=stride, padding=padding, dilation=dilation, padding_mode="circular")
    return around, nn.GroupNorm(groups, after), nn.ReLU()
