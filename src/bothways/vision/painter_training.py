"""How a painter is trained: pictures through the frozen tokenizer and back, by pixel error. It sees no word and no label.

The error is that of `vq`: absolute plus squared, more where the picture changes. Tokens get noise of a random strength a
picture (as decoders for generated tokens do, e.g. RAE, arXiv 2510.11690, section 4.3), because a model's predictions lie
beside the true tokens and should be painted as the nearest picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.sample import AbstractPicture
from bothways.core.tally import Tally
from bothways.vision.objective import AbstractObjective, pixels_of
from bothways.vision.painter import AbstractPainter, save_painter
from bothways.vision.pixel_error import pixel_error
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.training_configs import PaintConfig


@dataclass(frozen=True)
class PaintingBatch:
    """Pixels in [-1, 1], the tokens to paint them from, and the count that the trainer divides by (pictures)."""

    pixels: Float[Tensor, "B 3 P P"]
    tokens: Float[Tensor, "B N D"]

    @property
    def counts(self) -> dict[str, int]:
        return {"paint": len(self.pixels)}

    @property
    def num_samples(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device | str) -> PaintingBatch:
        return PaintingBatch(self.pixels.to(device), self.tokens.to(device))


class PainterTraining(AbstractObjective):
    """A painter beside the frozen tokenizer whose tokens it paints."""

    def __init__(self, tokenizer: AbstractTokenizer, config: PaintConfig):
        super().__init__()
        self._tokenizer = (tokenizer,)  # kept out of the module: checkpoints hold what is trained
        self.config = config
        self.painter = config.painter.build(tokenizer.spec)

    @property
    def tokenizer(self) -> AbstractTokenizer:
        return self._tokenizer[0]

    @torch.no_grad()
    def batch(self, pictures: list[AbstractPicture], draws: np.random.Generator) -> PaintingBatch:
        pixels = pixels_of(pictures, self.tokenizer.spec.size_px)
        return PaintingBatch(pixels, noisy_vectors(self.tokenizer, pixels, self.config.token_noise, draws))

    def terms(self, batch: PaintingBatch) -> dict[str, Tally]:
        """`paint`: weighted absolute and squared error, mean over pixels, summed over pictures."""
        painted = self.painter(batch.tokens).float()
        error = pixel_error(painted, batch.pixels, self.config.edge_weight, self.config.square_weight)
        return {"paint": Tally(error, len(batch.pixels))}

    def publish(self, path: Path) -> AbstractTokenizer:
        return publish_painter(self.painter, path, self.tokenizer)


def noisy_vectors(
    tokenizer: AbstractTokenizer, pixels: Float[Tensor, "B 3 P P"], most: float, draws: np.random.Generator
) -> Float[Tensor, "B N D"]:
    """The vectors of the pictures' tokens with noise of a random strength a picture, a standard deviation of up to `most`."""
    vectors = tokenizer.vectors(tokenizer.encode(pixels))
    strength = most * draws.random((len(vectors), 1, 1), dtype=np.float32)
    noise = strength * draws.standard_normal(vectors.shape, dtype=np.float32)
    return vectors + torch.from_numpy(noise)


def publish_painter(painter: AbstractPainter, path: Path, tokenizer: AbstractTokenizer) -> AbstractTokenizer:
    """Writes the painter's file and returns the tokenizer that draws with it."""
    save_painter(painter, path, tokenizer)
    return tokenizer.config.with_changes({"painter": str(path), "painting": None}).build()
