"""A modality with one axis: sound waves, cut into pieces and rounded to levels. One file, as design 2 promises; it is put in
by its full name, `kind: waves:WaveConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.randomness import rng
from bothways.core.sample import AbstractPicture, Image, Sample, Text
from bothways.core.spec import Discrete, VisualSpec
from bothways.vision.configs import TokenizerConfig
from bothways.vision.tokenizer import AbstractTokenizer


class WaveConfig(TokenizerConfig):
    kind: str = "waves:WaveConfig"
    size_px: int = 48  # samples of one wave
    piece: int = 6  # samples a token
    num_levels: int = 8

    def build(self) -> WaveTokenizer:
        return WaveTokenizer(self).requires_grad_(False).eval()


class WaveTokenizer(AbstractTokenizer):
    """Tokens Long "B N": the level of the mean of each piece."""

    def __init__(self, config: WaveConfig):
        super().__init__()
        self.config = config
        num = config.size_px // config.piece
        self.spec = VisualSpec("waves", Discrete(config.num_levels, 2), (num,), config.size_px, can_draw=True)

    def encode(self, pixels: Float[Tensor, "B 1 L"]) -> Int[Tensor, "B N"]:
        means = pixels[:, 0].unflatten(1, (-1, self.config.piece)).mean(-1)
        return ((means + 1) / 2 * self.config.num_levels).long().clamp(0, self.config.num_levels - 1)

    def vectors(self, tokens: Int[Tensor, "B N"]) -> Float[Tensor, "B N 2"]:
        level = (tokens + 0.5) / self.config.num_levels * 2 - 1
        return torch.stack([level, level.square()], -1)

    def decode(self, tokens: Int[Tensor, "B N"]) -> Float[Tensor, "B 1 L"]:
        return self.vectors(tokens)[..., 0].repeat_interleave(self.config.piece, 1)[:, None]


@dataclass(frozen=True)
class Wave(AbstractPicture):
    """A sine that swings `cycles` times."""

    cycles: int

    @property
    def key(self) -> str:
        return f"wave {self.cycles}"

    def pixels(self, size_px: int) -> np.ndarray:
        """uint8 (size_px, 1)."""
        wave = np.sin(2 * np.pi * self.cycles * np.arange(size_px) / size_px)
        return np.round((wave[:, None] + 1) * 127.5).astype(np.uint8)


class WaveSource:
    """`hear`: how often does this wave swing? `play`: a wave that swings so often."""

    def __init__(self, kind: str):
        self.kind = kind

    def sample(self, cursor: int) -> Sample:
        cycles = int(rng(0, "wave", self.kind, cursor).integers(1, 4))
        name, number = f"waves/{self.kind}/{cursor}", str(cycles)
        if self.kind == "hear":
            return Sample(name, (Image(Wave(cycles)), Text("Cycles?"), Text(number, learn=True)), "waves/hear")
        return Sample(name, (Text(f"Play {number}"), Image(Wave(cycles), learn=True)), "waves/play")
