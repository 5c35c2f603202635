"""`code_vectors`: the codes of a discrete tokenizer as continuous tokens, for heads that draw those.

The codebook is turned to its principal components and each is standardised, every code counted once: codebooks of any width
become points of the same width and scale, of which a diffusion head draws one. What lies between them is decoded as the
nearest, so no picture can be drawn that the codes cannot say.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from bothways.vision.codes_config import CodeVectorsConfig
from bothways.vision.tokenizer import AbstractTokenizer


class CodeVectorsTokenizer(AbstractTokenizer):
    """Tokens Float "B N D", of which there are as many different ones as codes."""

    def __init__(self, config: CodeVectorsConfig):
        super().__init__()
        self.config = config
        self.of = config.of.build()
        self.spec = config.spec

    @cached_property
    def points(self) -> Float[Tensor, "V D"]:
        """The token of each code: mean 0, variance 1 and no correlation over the codebook."""
        codes = torch.arange(self.of.spec.tokens.vocab)
        return whitened(self.of.vectors(codes[None])[0], self.spec.dim)

    def encode(self, pixels: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B N D"]:
        return F.embedding(self.of.encode(pixels), self.points)

    def vectors(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        return tokens

    def decode(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B 3 P P"]:
        return self.of.decode(torch.cdist(tokens.float(), self.points).argmin(-1))

    def weights(self) -> dict[str, Tensor]:
        return self.of.weights()

    def load_weights(self, path: Path) -> None:
        self.of.load_weights(path)
        self.__dict__.pop("points", None)


def whitened(vectors: Float[Tensor, "V C"], dim: int) -> Float[Tensor, "V D"]:
    """The first `dim` principal components of the rows, each of variance 1; signs fixed, so that machines agree."""
    centered = (vectors - vectors.mean(0)).double()
    left, _, right = torch.linalg.svd(centered, full_matrices=False)
    largest = right[:dim].gather(1, right[:dim].abs().argmax(1, keepdim=True))[:, 0]
    return (left[:, :dim] * largest.sign() * len(vectors) ** 0.5).float()
