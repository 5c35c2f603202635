"""Projectors: visual vectors and their places, as embeddings for the backbone."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.core.spec import Discrete, VisualSpec
from bothways.model.config import ProjectorConfig


class Places(nn.Module):
    """Learned embeddings of the places of a grid: one table an axis, added (row + column for a picture)."""

    def __init__(self, grid: tuple[int, ...], width: int):
        super().__init__()
        self.grid = grid
        self.axes = nn.ModuleList(nn.Embedding(length, width) for length in grid)

    def forward(self, place: Int[Tensor, "N"]) -> Float[Tensor, "N D"]:
        """Embeddings of raster indices."""
        return F.embedding(place, self.table())

    def table(self) -> Float[Tensor, "P D"]:
        """Embeddings of all places in raster order."""
        table = self.axes[0].weight
        for axis in self.axes[1:]:
            table = (table[:, None] + axis.weight).flatten(0, 1)  # the last axis runs fastest
        return table


class ContentProjector(nn.Module):
    """Vectors of one `VisualSpec` to the backbone's width."""

    def __init__(self, config: ProjectorConfig, spec: VisualSpec, width: int):
        super().__init__()
        self.content = _content(config, spec.dim, width)
        # Codes have unit length; continuous tokens have unit size in every channel. Both come in at the latter.
        self.scale = spec.dim**0.5 if isinstance(spec.tokens, Discrete) else 1.0

    def forward(self, vectors: Float[Tensor, "N C"]) -> Float[Tensor, "N D"]:
        return self.content(self.scale * vectors)


class Projector(ContentProjector):
    """The same, plus where each lies in its picture."""

    def __init__(self, config: ProjectorConfig, spec: VisualSpec, width: int):
        super().__init__(config, spec, width)
        self.places = Places(spec.grid, width)

    def forward(self, vectors: Float[Tensor, "N C"], place: Int[Tensor, "N"]) -> Float[Tensor, "N D"]:
        return super().forward(vectors) + self.places(place)


def matching_width(config: ProjectorConfig, spec: VisualSpec, width: int, num_parameters: int) -> int:
    """The mlp's `width` at which its weights come closest to `num_parameters`: how large a projector must be to hold as much
    as the backbone does. `width` is the backbone's; the table of places is not counted."""
    most = num_parameters // (spec.dim + 1 + width) + 2
    return min(range(1, most), key=lambda inner: abs(_num_weights(config.depth, spec.dim, inner, width) - num_parameters))


def _num_weights(depth: int, dim: int, inner: int, width: int) -> int:
    return (dim + 1) * inner + (depth - 2) * (inner + 1) * inner + (inner + 1) * width


def _content(config: ProjectorConfig, dim: int, width: int) -> nn.Module:
    if config.kind == "linear":
        return nn.Linear(dim, width)
    layers: list[nn.Module] = []
    for before, after in pairwise([dim, *[config.width or width] * (config.depth - 1), width]):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])
