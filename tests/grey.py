"""A tokenizer of discrete tokens that loses nothing, and the smallest models that draw them: used by the engine's tests."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch

from bothways.backbones.configs import CausalLMConfig
from bothways.core.sample import ArrayPicture, Image, Sample, Text
from bothways.core.spec import Discrete, VisualSpec
from bothways.heads import HEADS
from bothways.model.config import ModelConfig
from bothways.model.unified import UnifiedModel
from bothways.vision.configs import TokenizerConfig
from bothways.vision.tokenizer import AbstractTokenizer, to_uint8, to_unit
from layouts import CHARACTERS
from tiny import apart

CODES, SIDE = 16, 3
REQUESTS = [Sample(f"request {number}", (Text(words), Image(None, learn=True))) for number, words in enumerate(("red", "up"))]


class PixelConfig(TokenizerConfig):
    kind: Literal["pixel"] = "pixel"
    size_px: int = SIDE

    def build(self) -> AbstractTokenizer:
        return PixelTokenizer()


class PixelTokenizer(AbstractTokenizer):
    """A token a pixel: its grey level, one of 16."""

    def __init__(self):
        super().__init__()
        self.config, self.spec = PixelConfig(), VisualSpec("pixel", Discrete(CODES, 4), (SIDE, SIDE), SIDE, True)
        self.book = torch.randn(CODES, 4, generator=torch.Generator().manual_seed(0))

    def encode(self, pixels):
        return ((pixels.mean(1).flatten(1) + 1) * (CODES - 1) / 2).round().long()

    def vectors(self, tokens):
        return self.book[tokens]

    def decode(self, tokens):
        return (tokens * 2.0 / (CODES - 1) - 1).view(-1, 1, SIDE, SIDE).expand(-1, 3, -1, -1)


@lru_cache
def model(
    path: str = "auto",
    order: str = "raster",
    causal_given: bool = False,
    max_tokens: int = 512,
    learn_marks: bool = False,
    aligned_source: bool = False,
    drawing_layers: int = 0,
    head: str = "categorical",
) -> UnifiedModel:
    """In eval mode; the order changes no weight."""
    config = ModelConfig(
        given=PixelConfig(),
        learned=PixelConfig(),
        backbone=CausalLMConfig(size="tiny", attention=path, drawing_layers=drawing_layers),
        order=order,
        causal_given=causal_given,
        max_tokens=max_tokens,
        learn_marks=learn_marks,
        aligned_source=aligned_source,
        head=HEADS.load(head)(),
    )
    made = UnifiedModel(config, CHARACTERS).eval()
    # Fresh weights answer everything alike; louder ones make what is read matter.
    for name, weight in made.named_parameters():
        if weight.ndim > 1:
            weight.data.mul_(12.0 if "lm_head" not in name else 40.0)
    return apart(made)


def picture_of(tokens: list[int] | np.ndarray) -> ArrayPicture:
    pixels = to_uint8(PixelTokenizer().decode(torch.as_tensor(tokens)[None]))[0]
    return ArrayPicture(pixels, f"pixels {list(tokens)}")


def tokens_of(picture: ArrayPicture) -> list[int]:
    return PixelTokenizer().encode(to_unit(picture.array[None]))[0].tolist()
