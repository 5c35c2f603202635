"""What enters the backbone in place of an image token that is to be predicted where it lies."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bothways.diffusion.adaln import NUM_WAVES, waves
from bothways.layout.order import Drawing


class InPlace(nn.Module):
    """Has the weights that the way of laying out needs: a vector that stands for a hidden token, or an embedding of times."""

    def __init__(self, drawing: Drawing, width: int):
        super().__init__()
        if drawing.masked:
            self.hidden_embedding = nn.Parameter(torch.empty(1, width))
        if drawing.noised:  # `content`: drawn as a projector's is, so that times come in at the size of what they are added to
            self.content = nn.Sequential(nn.Linear(2 * NUM_WAVES, width), nn.GELU(), nn.Linear(width, width))

    def time(self, time: Float[Tensor, "N"]) -> Float[Tensor, "N D"]:
        """Embeddings of times in [0, 1000], to be added to what noised tokens enter as."""
        return self.content(waves(time))
