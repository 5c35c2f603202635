"""`codes`: discrete tokens, each the nearest of a codebook found by k-means among a continuous tokenizer's tokens.

Of `semantic` tokens they are discrete semantic tokens, the counterpart of `vq`: 512 entries and 64 tokens a picture in both, so
two models differ in what their targets tell and in nothing else. (BEiT v2, arXiv 2208.06366, learns such a codebook by
distillation, HuBERT, arXiv 2106.07447, finds one for speech by k-means, as here.)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.vision.codes_config import CodesConfig
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.weights import mark_of, read_weights, weights_path


class CodesTokenizer(AbstractTokenizer):
    """Tokens Long "B N" in [0, num_codes), raster order."""

    def __init__(self, config: CodesConfig):
        super().__init__()
        self.config = config
        self.of = config.of.build()
        self.spec = config.spec
        drawn = rng(config.seed, "codes").standard_normal((config.num_codes, self.spec.dim), dtype="float32")
        self.register_buffer("codebook", torch.from_numpy(drawn))
        if config.weights is not None:
            self.load_weights(weights_path(config.weights))
        self.painter = None
        if config.painter is not None:
            from bothways.vision.painter import load_painter

            self.painter = load_painter(weights_path(config.painter), self)

    def nearest(self, tokens: Float[Tensor, "*shape D"]) -> Int[Tensor, "*shape"]:
        """Index of the closest code."""
        with torch.autocast(tokens.device.type, enabled=False):  # bf16 cannot tell neighbouring codes apart
            return (tokens @ self.codebook.T - self.codebook.square().sum(-1) / 2).argmax(-1)

    def encode(self, pixels: Float[Tensor, "B 3 P P"]) -> Int[Tensor, "B N"]:
        return self.nearest(self.of.encode(pixels))

    def vectors(self, tokens: Int[Tensor, "B N"]) -> Float[Tensor, "B N D"]:
        return F.embedding(tokens, self.codebook)

    def decode(self, tokens: Int[Tensor, "B N"]) -> Float[Tensor, "B 3 P P"]:
        vectors = self.vectors(tokens)
        return self.of.decode(vectors) if self.painter is None else self.painter(vectors).clamp(-1, 1)

    def weights(self) -> dict[str, Tensor]:
        """The codebook, and a mark that says for which tokenizer's tokens it was made; not that tokenizer."""
        return {"codebook": self.codebook, "made_for": mark_of(self.of)}

    def load_weights(self, path: Path) -> None:
        """Raises: ConfigError when the file is missing, of another shape, or made for another tokenizer's tokens."""
        saved, own = read_weights(path), self.weights()
        if sorted(saved) != sorted(own) or saved["codebook"].shape != own["codebook"].shape:
            found = tuple(saved["codebook"].shape) if "codebook" in saved else "none"
            raise ConfigError(
                f"The file {path} was made for another codes tokenizer: its codebook is {found} and the config's "
                f"{tuple(own['codebook'].shape)} (codes, channels)."
            )
        if not torch.equal(saved["made_for"], own["made_for"]):
            raise ConfigError(
                f"The codes {path} were made of the tokens of a `{self.config.of.kind}` tokenizer with other weights, so they "
                "would mean nothing; give those that were made for these, or make them with `bothways train-tokenizer`."
            )
        self.codebook.copy_(saved["codebook"])
