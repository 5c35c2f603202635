"""In which order the tokens of a learned image stand, and which of them are hidden: functions of a seed and a name.

The place vector is the permutation; raster order is the identity of the same code path.

Source: the share of hidden tokens is drawn as in MaskGIT (arXiv 2202.04200, section 3.2): cos(pi/2 u), u uniform in [0, 1).
"""

from __future__ import annotations

import functools
import math
from typing import Literal

import numpy as np
from pydantic import model_validator

from bothways.core.config import Config
from bothways.core.randomness import rng, shuffled


class Masking(Config):
    """Which tokens of a learned image are hidden."""

    share: float | None = None
    """Share of hidden tokens in (0, 1], at least one token; None: drawn anew for each sample and step."""

    @model_validator(mode="after")
    def _share_in_range(self) -> Masking:
        if self.share is not None and not 0.0 < self.share <= 1.0:
            raise ValueError(f"the share of hidden tokens is {self.share}; expected above 0 and at most 1")
        return self


class Drawing(Config):
    """How one learned image is laid out. A masked or noised image is predicted in place, all tokens reading each other."""

    order: Literal["raster", "random"] = "raster"
    """Order of the tokens of an image that is drawn one token after the other."""
    masked: Masking | None = None
    """Hide some tokens and predict those in place."""
    noised: bool = False
    """Put noise on all tokens and predict in place (diffusion inside the backbone)."""
    learn_marks: bool = False
    """Teach the opening mark too (its own tally): needed by a model that decides by itself to draw."""

    @model_validator(mode="after")
    def _one_way(self) -> Drawing:
        if self.noised and self.masked:
            raise ValueError("an image is either masked or noised; set one of them")
        if self.in_place and self.order != "raster":
            raise ValueError(f"order `{self.order}` means nothing where tokens are predicted in place; use raster")
        return self

    @property
    def in_place(self) -> bool:
        return self.noised or self.masked is not None


def places(num_tokens: int, drawing: Drawing, seed: int, *name: str | int) -> np.ndarray:
    """int64 (num_tokens,): the raster index of the first, second, ... token of the image called `name`. Read-only."""
    if drawing.order == "raster":
        return raster(num_tokens)
    return shuffled(num_tokens, seed, "order", *name)


@functools.lru_cache(maxsize=256)
def raster(num_tokens: int) -> np.ndarray:
    """int64 (num_tokens,): 0, 1, 2, ...; one read-only array a length."""
    identity = np.arange(num_tokens, dtype=np.int64)
    identity.flags.writeable = False
    return identity


def hidden(num_tokens: int, masking: Masking, seed: int, *name: str | int) -> np.ndarray:
    """bool (num_tokens,): True where the token is hidden from the image called `name`; at least one is."""
    draw = rng(seed, "hidden", *name)
    share = math.cos(math.pi / 2 * draw.random()) if masking.share is None else masking.share
    chosen = np.zeros(num_tokens, dtype=bool)
    chosen[draw.permutation(num_tokens)[: max(1, round(share * num_tokens))]] = True
    return chosen
