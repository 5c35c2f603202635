"""The door of every visual tokenizer: `encode`, `decode`, `vectors`, `spec`.

Pixels are float tensors in [-1, 1]; discrete tokens are Long "B N", continuous ones Float "B N D", N in raster order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.core.spec import VisualSpec
from bothways.vision.configs import TokenizerConfig

DECODED_TOGETHER = 32  # pictures


class AbstractTokenizer(nn.Module, ABC):
    """A frozen map between pictures and tokens."""

    config: TokenizerConfig
    spec: VisualSpec

    @property
    def encoder(self) -> AbstractTokenizer:
        """The tokenizer whose tokens these are: itself, or the one that a wrapper leaves in charge of them."""
        return self

    @abstractmethod
    def encode(self, pixels: Float[Tensor, "B 3 P P"]) -> Tensor:
        """Tokens in raster order: Long "B N" (discrete) or Float "B N D" (continuous). Pixels in [-1, 1]."""

    @abstractmethod
    def vectors(self, tokens: Tensor) -> Float[Tensor, "B N D"]:
        """What the model reads for each token: the codebook's vector, or the continuous token itself."""

    @abstractmethod
    def decode(self, tokens: Tensor) -> Float[Tensor, "B 3 P P"]:
        """Pixels in [-1, 1]. Raises: CannotDraw where tokens do not determine pixels."""

    def weights(self) -> dict[str, Tensor]:
        """The tensors that make it this tokenizer, to be saved; none where the config says it all."""
        return {}

    def load_weights(self, path: Path) -> None:
        """Takes over what `weights` gave. Raises: ConfigError when the file is missing or made for another tokenizer."""
        raise ConfigError(f"A `{self.config.kind}` tokenizer has no weights; found {path}.")


def to_unit(pictures: np.ndarray) -> Float[Tensor, "B C *grid"]:
    """uint8, channels last (pictures: (B, P, P, 3)) -> float in [-1, 1], channels first. Any number of axes.

    Channels are first in memory too: a bf16 group norm over channels that lie last takes fifteen times as long on a CPU.
    """
    return torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).contiguous().float() / 127.5 - 1.0


def painted(tokenizer: AbstractTokenizer, tokens: Tensor) -> list[np.ndarray]:
    """Pictures of tokens as uint8, channels last."""
    return some_at_a_time(tokenizer.decode, tokens)


def some_at_a_time(decode: Callable[[Tensor], Tensor], tokens: Tensor) -> list[np.ndarray]:
    """Pictures as uint8, channels last, of what `decode` makes pixels of; not all at once, for the memory that it takes."""
    return [picture for part in tokens.split(DECODED_TOGETHER) for picture in to_uint8(decode(part))]


def to_uint8(pixels: Float[Tensor, "B C *grid"]) -> np.ndarray:
    """Float in [-1, 1] (clipped), channels first -> uint8, channels last. Any number of axes."""
    levels = ((pixels.clamp(-1, 1) + 1.0) * 127.5).round().to(torch.uint8)
    return levels.movedim(1, -1).contiguous().cpu().numpy()
