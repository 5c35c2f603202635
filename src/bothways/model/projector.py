"""Projectors: visual vectors and their places, as embeddings for the backbone."""

from __future__ import annotations

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
        table = self.axes[0].weight
        for axis in self.axes[1:]:
            table = (table[:, None] + axis.weight).flatten(0, 1)  # raster order: the last axis runs fastest
        return F.embedding(place, table)


class Projector(nn.Module):
    """Vectors of one `VisualSpec` to the backbone's width, plus where each lies in its picture."""

    def __init__(self, config: ProjectorConfig, spec: VisualSpec, width: int):
        super().__init__()
        if config.kind == "linear":
            self.content: nn.Module = nn.Linear(spec.dim, width)
        else:
            self.content = nn.Sequential(nn.Linear(spec.dim, width), nn.GELU(), nn.Linear(width, width))
        self.places = Places(spec.grid, width)
        # Codes have unit length; continuous tokens have unit size in every channel. Both come in at the latter.
        self.scale = spec.dim**0.5 if isinstance(spec.tokens, Discrete) else 1.0

    def forward(self, vectors: Float[Tensor, "N C"], place: Int[Tensor, "N"]) -> Float[Tensor, "N D"]:
        return self.content(self.scale * vectors) + self.places(place)
