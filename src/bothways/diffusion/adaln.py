"""The network of the diffusion head: a residual MLP whose every block is shifted, scaled and gated by time and hidden state.

Source: MAR (arXiv 2406.11838, section 4.2 and its code), which took the modulation from DiT (Peebles and Xie, arXiv 2212.09748,
section 3.2, adaLN-Zero): modulations and the last layer are zero at first, so every block begins as the identity and the first
prediction is zero.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NUM_WAVES = 128  # of each time, from one radian a unit down to one in 10,000; sines and cosines


class AdaLNMLP(nn.Module):
    """From noisy tokens of `dim` channels to `out_dim`; `hidden_width` is the backbone's. Weights called `zero_...` are
    zero at first."""

    def __init__(self, dim: int, out_dim: int, hidden_width: int, width: int, num_blocks: int):
        super().__init__()
        self.noisy = nn.Linear(dim, width)
        self.hidden = nn.Linear(hidden_width, width)
        self.time = nn.Sequential(nn.Linear(2 * NUM_WAVES, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.zero_modulation = zero(width, 2 * width)
        self.zero_out = zero(width, out_dim)

    def forward(
        self, noisy: Float[Tensor, "R C"], time: Float[Tensor, "#R"], hidden: Float[Tensor, "R W"]
    ) -> Float[Tensor, "R O"]:
        """`time` in [0, 1000], one a row or one for all; `hidden` from `condition`."""
        signal = F.silu(self.time(waves(time)) + hidden)
        x = self.noisy(noisy)
        for block in self.blocks:
            x = block(x, signal)
        shift, scale = self.zero_modulation(signal).chunk(2, -1)
        return self.zero_out(torch.addcmul(shift, self.norm(x), 1 + scale))

    def condition(self, hidden: Float[Tensor, "N D"]) -> Float[Tensor, "N W"]:
        """What `forward` takes of hidden states: once a position, however many times and draws it is used for."""
        return self.hidden(hidden)


class Block(nn.Module):
    """x + gate * mlp(scale * norm(x) + shift)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.zero_modulation = zero(width, 3 * width)

    def forward(self, x: Float[Tensor, "R W"], signal: Float[Tensor, "R W"]) -> Float[Tensor, "R W"]:
        shift, scale, gate = self.zero_modulation(signal).chunk(3, -1)
        return torch.addcmul(x, gate, self.mlp(torch.addcmul(shift, self.norm(x), 1 + scale)))


def waves(time: Float[Tensor, "R"]) -> Float[Tensor, "R F"]:
    """Cosines and sines of the times at `NUM_WAVES` rates, evenly spaced in their logarithm."""
    rates = torch.exp(torch.arange(NUM_WAVES, device=time.device) * (-math.log(10_000) / NUM_WAVES))
    angles = time[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


def zero(width: int, out_dim: int) -> nn.Linear:
    """A layer that gives zero at first."""
    layer = nn.Linear(width, out_dim)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
