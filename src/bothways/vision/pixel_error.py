"""How far a painted picture lies from the true one: what every decoder of the house is trained by.

Absolute plus squared error, with more weight where the picture changes, because thin hands are few pixels.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def pixel_error(
    painted: Float[Tensor, "B 3 P P"], true: Float[Tensor, "B 3 P P"], edge_weight: float, square_weight: float
) -> Tensor:
    """Mean over a picture's values, summed over pictures."""
    weight = 1.0 + edge_weight * edges(true)
    error = (painted - true).abs() + square_weight * (painted - true).square()
    return (weight * error).mean((1, 2, 3)).sum()


def edges(pixels: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B 1 P P"]:
    """How much the picture changes around each pixel, in [0, 1]: largest minus smallest value in a 3 x 3 window / 2."""
    high = F.max_pool2d(pixels, 3, stride=1, padding=1)
    low = -F.max_pool2d(-pixels, 3, stride=1, padding=1)
    return ((high - low) / 2).amax(1, keepdim=True)
