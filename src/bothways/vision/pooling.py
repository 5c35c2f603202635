"""One vector a picture from its tokens: what the global terms of training compare. Not part of any tokenizer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Pooling(nn.Module):
    """Learned queries attend to the tokens (SigLIP's MAP head with several queries and no own MLP); unit length comes out."""

    def __init__(self, width: int, dim: int, num_queries: int = 4):
        super().__init__()
        self.query = nn.Parameter(torch.randn(num_queries, width) * width**-0.5)
        self.norm = nn.LayerNorm(width)
        self.value = nn.Sequential(nn.Linear(num_queries * width, 2 * width), nn.GELU(), nn.Linear(2 * width, dim))

    def forward(self, tokens: Float[Tensor, "B N D"], real: Bool[Tensor, "B N"] | None = None) -> Float[Tensor, "B E"]:
        """`real`: tokens that count; None = all."""
        tokens = self.norm(tokens)
        logits = tokens @ self.query.T
        attention = (logits if real is None else logits.masked_fill(~real[..., None], -1e4)).softmax(1)
        return F.normalize(self.value((attention.transpose(1, 2) @ tokens).flatten(1)).float(), dim=-1)
