"""What happens to a training picture after it was rendered, or rebuilt by a tokenizer: things that change no fact, and things
that leave nothing to be read. All draws come from the generator that is handed in."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_SHIFT = 0.04  # most of the side that a picture is moved by, either way, in x and in y
_SCALE = 0.03  # most that it is made larger or smaller by
_COLOR = 0.05  # most that a channel's gain and offset (of 1) move
_NOISE = 0.06  # most standard deviation of pixel noise (of 1)
_SPECK = (0.04, 0.11)  # side of a square that is laid over, as a share of the picture's
_BLUR = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def disturbed(pixels: Float[Tensor, "B 3 P P"], draws: np.random.Generator) -> Float[Tensor, "B 3 P P"]:
    """Pictures in [-1, 1], moved, blurred, tinted, made noisy, with a speck on some: the facts stay what they were."""
    num, side = len(pixels), pixels.shape[-1]
    pixels = _moved(pixels, draws)
    pixels = torch.lerp(pixels, _blurred(pixels), _draw(draws, num, 0, 1) * _some(draws, num, 0.5))
    gain, offset = (_draw(draws, num, -_COLOR, _COLOR, 3) for _ in range(2))
    pixels = pixels * (1 + gain) + 2 * offset
    grain = torch.from_numpy(draws.standard_normal(tuple(pixels.shape), dtype=np.float32))
    pixels = pixels + grain * _draw(draws, num, 0, 2 * _NOISE) * _some(draws, num, 0.5)
    for picture in pixels[(draws.random(num) < 0.3).nonzero()[0]]:
        size = round(side * draws.uniform(*_SPECK))
        top, left = draws.integers(0, side - size, 2)
        picture[:, top : top + size, left : left + size] = _draw(draws, 3, -1, 1)[:, :, 0]
    return pixels.clamp(-1, 1)


def nothing(side: int, pixels: Float[Tensor, "3 P P"], draws: np.random.Generator) -> Float[Tensor, "3 P P"]:
    """A picture in which there is nothing to be read: flat, noise, or another's patches in disorder."""
    kind = draws.integers(3)
    if kind == 0:
        return _draw(draws, 3, -1, 1)[:, :, 0].expand(3, side, side).clone()
    if kind == 1:
        return torch.from_numpy(draws.uniform(-1, 1, (3, side, side)).astype(np.float32))
    patch = side // 8
    pieces = pixels.unfold(1, patch, patch).unfold(2, patch, patch).flatten(1, 2)[:, draws.permutation(64)]
    return pieces.unflatten(1, (8, 8)).permute(0, 1, 3, 2, 4).flatten(3, 4).flatten(1, 2)


def _moved(pixels: Tensor, draws: np.random.Generator) -> Tensor:
    num = len(pixels)
    chosen = _some(draws, num, 0.8)[:, 0]
    scale = 1 + _draw(draws, num, -_SCALE, _SCALE)[:, 0] * chosen
    shift = _draw(draws, num, -2 * _SHIFT, 2 * _SHIFT, 2)[:, :, 0] * chosen
    turn = torch.eye(2).expand(num, 2, 2) * scale
    places = F.affine_grid(torch.cat([turn, shift], 2), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, places, padding_mode="border", align_corners=False)


def _blurred(pixels: Tensor) -> Tensor:
    kernel = (_BLUR[:, None] * _BLUR).expand(3, 1, 5, 5)
    return F.conv2d(F.pad(pixels, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)


def _draw(draws: np.random.Generator, num: int, low: float, high: float, channels: int = 1) -> Float[Tensor, "B C 1 1"]:
    return torch.from_numpy(draws.uniform(low, high, (num, channels, 1, 1)).astype(np.float32))


def _some(draws: np.random.Generator, num: int, share: float) -> Float[Tensor, "B 1 1 1"]:
    """1 for that share of the pictures, 0 for the others."""
    return torch.from_numpy((draws.random((num, 1, 1, 1)) < share).astype(np.float32))
