"""A painter: continuous tokens of a picture back to its pixels, for tokenizers that were not made to be drawn from.

Residual convolutions on the grid of tokens, then finer grids by 1 x 1 convolution and pixel shuffle (Shi et al. 2016,
arXiv 1609.05158), the last step straight to the picture's size. Plain regression to pixels, so it shows what the tokens say
and invents nothing: what they leave open comes out blurred, which is what a score of tokens should see.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of
from bothways.core.spec import Continuous, VisualSpec
from bothways.vision.configs import PainterConfig
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.weights import read_weights

CONFIG = "painter"  # the key of the file's metadata that holds the config
PAINTS = "paints"  # the one that says for which tokenizer's tokens it was made


class Painter(nn.Module):
    """Tokens Float "B N D" in raster order to pixels Float "B 3 P P", not clipped."""

    def __init__(self, config: PainterConfig, spec: VisualSpec):
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


def _shuffle(config: PainterConfig, spec: VisualSpec) -> int:
    """How many pixels a side one cell of the finest grid becomes."""
    finest = [side * 2 ** (len(config.channels) - 1) for side in spec.grid]
    square = len(finest) == 2 and finest[0] == finest[1]
    if not isinstance(spec.tokens, Continuous) or not square or spec.size_px % finest[0]:
        raise ConfigError(
            f"A painter with {len(config.channels)} sizes turns continuous tokens on a square grid into pictures of a multiple "
            f"of {finest[0]} px; found {type(spec.tokens).__name__.lower()} `{spec.kind}` tokens on {spec.grid} and "
            f"{spec.size_px} px."
        )
    return spec.size_px // finest[0]


def save_painter(painter: Painter, path: Path, tokenizer: AbstractTokenizer) -> None:
    """Weights in fp16, and in the file's metadata the config and whose tokens it paints: a painter is one file."""
    weights = {name: tensor.half().contiguous() for name, tensor in painter.state_dict().items()}
    told = {CONFIG: json.dumps(painter.config.to_dict()), PAINTS: fingerprint(tokenizer)}
    save_file(weights, path, metadata=told)


def load_painter(path: Path, tokenizer: AbstractTokenizer) -> Painter:
    """The painter in a file, frozen. Raises: ConfigError when it is no painter, or was made for another tokenizer's tokens."""
    weights = read_weights(path)
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
        config = PainterConfig.parse(json.loads(told[CONFIG]), where=f"the painter {path}")
    except (OSError, SafetensorError, KeyError, ValueError):
        raise ConfigError(f"The file {path} holds no painter; make one with `bothways train-tokenizer`.") from None
    if told.get(PAINTS) != fingerprint(tokenizer):
        raise ConfigError(
            f"The painter {path} was made for a tokenizer with other weights, so it would paint noise; give the one that was "
            "made for these, or make it with `bothways train-tokenizer`."
        )
    painter = config.build(tokenizer.spec)
    painter.load_state_dict(weights)
    return painter.requires_grad_(False).eval()


def fingerprint(tokenizer: AbstractTokenizer) -> str:
    """Equal for tokenizers whose weights are equal in fp16, as files hold them."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tokenizer.weights().items()):
        found.update(name.encode() + tensor.detach().half().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
