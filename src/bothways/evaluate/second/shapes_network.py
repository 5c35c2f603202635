"""The network that reads pictures of shapes: the trunk's map is cut into nine places, and one set of weights looks at each."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bothways.core.randomness import seed_of
from bothways.evaluate.second.configs import ShapesReaderConfig
from bothways.evaluate.second.shapes import OF_A_PLACE, ShapesLabels
from bothways.evaluate.second.trunk import AbstractReaderNetwork, trunk
from bothways.worlds.shapes.palette import PLACES


class ShapesNetwork(AbstractReaderNetwork):
    """Logits of the fields of `ShapesLabels`."""

    def __init__(self, config: ShapesReaderConfig):
        super().__init__()
        self.side = config.input_px // 2 ** len(config.channels[1:]) // 3  # of a place of the map
        self.sizes = {name: len(values) + 1 for name, values in OF_A_PLACE.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "second reader", "shapes"))
            self.trunk = trunk(config)
            self.place = nn.Sequential(
                nn.Linear(config.channels[-1] * self.side**2, config.width),
                nn.ReLU(),
                nn.Linear(config.width, sum(self.sizes.values())),
            )
            self.ground = nn.Linear(config.channels[-1], len(ShapesLabels.fields["ground"]) + 1)

    def forward(self, pixels: Float[Tensor, "B 3 P P"]) -> dict[str, Float[Tensor, "B C"]]:
        found = self.trunk(pixels)
        cells = found.unfold(2, self.side, self.side).unfold(3, self.side, self.side)  # B C row column h w
        cells = cells.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        parts = self.place(cells).split(list(self.sizes.values()), 2)
        told = {
            f"{name}@{place}": part[:, at]
            for name, part in zip(self.sizes, parts, strict=True)
            for at, place in enumerate(PLACES)
        }
        return {"ground": self.ground(found.mean((2, 3)))} | told
