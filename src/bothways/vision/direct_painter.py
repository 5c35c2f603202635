"""`direct`: a painter that decodes all tokens at once.

Residual convolutions on the grid of tokens, then finer grids by 1 x 1 convolution and pixel shuffle (Shi et al. 2016,
arXiv 1609.05158), the last step straight to the picture's size. Plain regression to pixels, so it shows what the tokens say
and invents nothing: what they leave open comes out blurred, which is what a score of tokens should see.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of
from bothways.core.spec import VisualSpec
from bothways.vision.painter import AbstractPainter
from bothways.vision.painter_configs import DirectPainterConfig


class DirectPainter(AbstractPainter):
    """Tokens Float "B N D" in raster order to pixels Float "B 3 P P", not clipped."""

    def __init__(self, config: DirectPainterConfig, spec: VisualSpec):
        super().__init__()
        self.config, self.grid = config, spec.grid
        last = _shuffle(config, spec)
        # Weights are named by the config, whatever was drawn before, and leave the global generator as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "painter"))
            layers: list[nn.Module] = [nn.Conv2d(spec.dim, config.channels[0], 1)]
            for size, (channels, blocks) in enumerate(zip(config.channels, config.num_res_blocks, strict=True)):
                layers += [_finer(config.channels[size - 1], channels)] if size else []
                layers += [_Block(channels) for _ in range(blocks)]
            layers += [nn.Conv2d(config.channels[-1], 3 * last**2, 3, padding=1), nn.PixelShuffle(last)]
            self.layers = nn.Sequential(*layers)

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B 3 P P"]:
        return self.layers(tokens.transpose(1, 2).unflatten(2, self.grid))


class _Block(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return x + self.layers(x)


def _finer(channels: int, after: int) -> nn.Module:
    """Twice the grid in both directions."""
    return nn.Sequential(nn.Conv2d(channels, 4 * after, 1), nn.PixelShuffle(2))


def _shuffle(config: DirectPainterConfig, spec: VisualSpec) -> int:
    """How many pixels a side one cell of the finest grid becomes."""
    finest = [side * 2 ** (len(config.channels) - 1) for side in spec.grid]
    square = len(finest) == 2 and finest[0] == finest[1]
    if not square or spec.size_px % finest[0]:
        raise ConfigError(
            f"A painter with {len(config.channels)} sizes turns tokens on a square grid into pictures of a multiple of "
            f"{finest[0]} px; found `{spec.kind}` tokens on {spec.grid} and {spec.size_px} px."
        )
    return spec.size_px // finest[0]
