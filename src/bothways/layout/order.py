"""In which order the tokens of a learned image stand, and which of them are hidden: functions of a seed and a name.

The place vector is the permutation; raster order is the identity of the same code path. Training sees one token predicted
after the other: the position of the last known token asks for one place. Drawing may ask for several places at once, each
from a position that holds the last known token and reads the same earlier ones. Over random orders any place may come
next, so each of these questions is one that training asks too; over raster order only the first is.

Sources: the share of hidden tokens is drawn as in MaskGIT (arXiv 2202.04200, section 3.2): cos(pi/2 u), u uniform in [0, 1).
Tokens a step follow the same curve, as in MaskGIT's iterative decoding and in MAR (arXiv 2406.11838; its code), whose order is
random too. Deviation: both read in all directions, so they run everything anew at every step; here known tokens are kept,
unless the image is masked: then it is theirs.
"""

from __future__ import annotations

import functools
import math
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from bothways.core.config import Config
from bothways.core.errors import ConfigError
from bothways.core.randomness import rng, shuffled

Order = Literal["raster", "random"]
Orders = Literal["raster", "random", "mixed"]


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

    order: Orders = "raster"
    """Order of the tokens of an image that is drawn one token after the other; mixed: some samples in raster order, all others
    in a random one."""
    raster_share: float = Field(0.5, ge=0, le=1)
    """Share of the samples in raster order where the order is mixed."""
    masked: Masking | None = None
    """Hide some tokens and predict those in place."""
    noised: bool = False
    """Put noise on all tokens and predict in place (diffusion inside the backbone)."""
    learn_marks: bool = False
    """Teach when to draw, for a model that decides it by itself. The opening mark is predicted where a text would go on, and a
    turn of texts and images ends once, with a learned end-of-turn token behind its last (else every text ends with one). Marks
    and ends behind an image have a tally of their own."""

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

    def at(self, share: float) -> Drawing:
        """With that share of the tokens hidden, where tokens are masked; else as it is."""
        return self if self.masked is None else self.model_copy(update={"masked": Masking(share=share)})

    def order_of(self, sample_id: str, seed: int, step: int) -> Order:
        """The order of all learned images of that sample at that step."""
        if self.order != "mixed":
            return self.order
        return "raster" if rng(seed, "mixed", sample_id, step).random() < self.raster_share else "random"


def places(num_tokens: int, order: Order, seed: int, *name: str | int) -> np.ndarray:
    """int64 (num_tokens,): the raster index of the first, second, ... token of the image called `name`. Read-only."""
    found = raster(num_tokens) if order == "raster" else shuffled(num_tokens, seed, "order", *name)
    found.flags.writeable = False
    return found


def known_first(places: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The same places with those in `known` first; among themselves both parts keep their order."""
    is_known = np.isin(places, known)
    return np.concatenate([places[is_known], places[~is_known]])


def tokens_per_step(num_tokens: int, num_steps: int) -> tuple[int, ...]:
    """How many tokens each step draws: few at first, where little is known, then more; at least 1, `num_tokens` in all.

    After step s of S, floor(cos(pi/2 s/S) num_tokens) tokens are left, but at least as many as there are steps to come.
    """
    counts, left = [], num_tokens
    for step in range(1, num_steps + 1):
        wanted = math.floor(math.cos(math.pi / 2 * step / num_steps) * num_tokens)
        after = max(num_steps - step, min(left - 1, wanted))
        counts.append(left - after)
        left = after
    return tuple(counts)


def check_draw_steps(draw_steps: int, num_tokens: int, trained: Drawing) -> None:
    """Raises: ConfigError when a picture of `num_tokens` cannot be drawn in so many steps by a model trained like that."""
    if not draw_steps:
        return
    if trained.noised:
        raise ConfigError(
            f"Found draw_steps {draw_steps} for a model that takes noise off all tokens of a picture at once; leave it at 0 "
            "and set sampling_steps."
        )
    if not 1 <= draw_steps <= num_tokens:
        raise ConfigError(
            f"Found draw_steps {draw_steps}; a picture of {num_tokens} tokens is drawn in 1 to {num_tokens} steps (0 draws one "
            "token a step)."
        )
    if trained.order == "raster" and not trained.in_place:
        raise ConfigError(
            "Found draw_steps for a model trained in raster order, which was never asked for any place but the next one; "
            "leave it at 0 (one token a step), or train with model.order=random or mixed."
        )


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
