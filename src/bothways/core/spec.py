"""What a visual tokenizer declares about its tokens. Heads, layout and projectors read this and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bothways.core.errors import DataError


@dataclass(frozen=True)
class Discrete:
    """Tokens are indices in [0, vocab); the model reads them as vectors of width `dim` (the codebook's)."""

    vocab: int
    dim: int


@dataclass(frozen=True)
class Continuous:
    """Tokens are vectors of width `dim`, standardised per channel on the training split."""

    dim: int


@dataclass(frozen=True)
class VisualSpec:
    """`grid` is the tokens' shape in raster order (1 axis for sound, 2 for pictures, 3 for film), `size_px` the side of the
    square pictures that go in, `can_draw` whether tokens can be decoded to pixels."""

    kind: str
    tokens: Discrete | Continuous
    grid: tuple[int, ...]
    size_px: int
    can_draw: bool

    @property
    def num_tokens(self) -> int:
        return math.prod(self.grid)

    @property
    def dim(self) -> int:
        return self.tokens.dim


class CannotDraw(DataError):
    """Raised by `decode` of a tokenizer whose tokens do not determine pixels."""
