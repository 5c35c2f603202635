"""`patches`: the plainest tokenizer there is. Non-overlapping squares of pixels, flattened and standardised.

It knows nothing, so an arm that reads `patches` shows what the learned tokenizers know already.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from bothways.vision.configs import PatchConfig
from bothways.vision.tokenizer import AbstractTokenizer


class PatchTokenizer(AbstractTokenizer):
    """Tokens Float "B N (patch_px * patch_px * 3)", in pixel order within a patch; decoding is exact."""

    def __init__(self, config: PatchConfig):
        super().__init__()
        self.config = config
        self.spec = config.spec

    def encode(self, pixels: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B N D"]:
        columns = F.unfold(pixels, self.config.patch_px, stride=self.config.patch_px)
        return (columns.transpose(1, 2) - self.config.mean) / self.config.std

    def vectors(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        return tokens

    def decode(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B 3 P P"]:
        columns = tokens * self.config.std + self.config.mean
        return F.fold(columns.transpose(1, 2), self.config.size_px, self.config.patch_px, stride=self.config.patch_px)
