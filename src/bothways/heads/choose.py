"""Choosing a token from scores: guidance, temperature, top-k. Used for text and for discrete image tokens alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.config import Dtype
from bothways.core.errors import ConfigError, unknown
from bothways.layout.order import Order

RAMPS = ("constant", "linear")
# The fields of `How` that an exam sets for its drawings, beside the seed
OF_DRAWINGS = ("temperature", "guidance", "guidance_ramp", "sampler", "sampling_steps", "eta", "order", "draw_steps", "dtype")


@dataclass(frozen=True)
class How:
    """How tokens are drawn from a head, and text from the language model.

    temperature 0 takes the likeliest; top_k 0 keeps all; guidance 1 means none, g extrapolates from the unconditional
    scores u to the conditional c as u + g (c - u). `guidance_ramp` over a picture: constant, or linear, from 1 at no token up
    to `guidance` at the last (MAR's). Of heads that draw in steps: `sampler` by name, how many `sampling_steps` a token (None:
    the head's usual ones), and `eta` in [0, 1], the fresh noise of the sampler ddim. `order` of a picture's tokens: raster or
    random; None is as trained, random where that was mixed. `draw_steps` of a picture: 0 draws one token a step, else each
    step draws several at once (a picture of which a part is kept takes no more steps than it has tokens left). `dtype` of the
    backbone's products: float32 is the reference; bfloat16 is faster, the arithmetic that training with `dtype: bfloat16` has,
    and may choose other tokens. `text_temperature`: that of texts, where it is another (None: `temperature`).
    """

    temperature: float = 0.0
    top_k: int = 0
    guidance: float = 1.0
    seed: int = 0
    max_text_tokens: int = 64
    guidance_ramp: str = "constant"
    sampler: str | None = None
    sampling_steps: int | None = None
    eta: float = 0.0
    order: str | None = None
    draw_steps: int = 0
    dtype: Dtype = "float32"
    text_temperature: float | None = None

    def __post_init__(self):
        sane = all(
            math.isfinite(value) and value >= 0 for value in (self.temperature, self.top_k, self.guidance, self.of_texts)
        )
        if not sane or self.max_text_tokens < 1:
            raise ConfigError(
                f"Found temperature {self.temperature} ({self.of_texts} of texts), top_k {self.top_k}, guidance "
                f"{self.guidance}, max_text_tokens {self.max_text_tokens}; the last must be at least 1, the others finite and "
                "not negative."
            )
        if self.guidance_ramp not in RAMPS:
            raise ConfigError(unknown("guidance ramp", self.guidance_ramp, RAMPS))
        if not 0 <= self.eta <= 1:
            raise ConfigError(f"Found eta {self.eta}; expected 0 (no fresh noise) to 1 (as much as `ancestral` takes).")
        if self.order not in (None, *get_args(Order)):
            raise ConfigError(unknown("order", self.order, get_args(Order)))
        if self.draw_steps < 0:
            raise ConfigError(f"Found draw_steps {self.draw_steps}; expected at least 1, or 0 for one token a step.")
        if self.dtype not in get_args(Dtype):
            raise ConfigError(unknown("dtype", self.dtype, get_args(Dtype)))

    @property
    def of_texts(self) -> float:
        """The temperature of texts."""
        return self.temperature if self.text_temperature is None else self.text_temperature

    def guidance_at(self, revealed: Float[Tensor, "N"]) -> Float[Tensor, "N 1"]:
        """The guidance of each row; `revealed` is the share of its picture's tokens that are there once this one is."""
        share = torch.ones_like(revealed) if self.guidance_ramp == "constant" else revealed
        return (1 + (self.guidance - 1) * share)[:, None]


def guided(
    conditional: Float[Tensor, "N V"], unconditional: Float[Tensor, "N V"], scale: float | Float[Tensor, "N 1"]
) -> Float[Tensor, "N V"]:
    """u + scale (c - u). Source: Ho and Salimans 2022 (arXiv 2207.12598), written on logits as in Chang et al. 2023."""
    return unconditional + scale * (conditional - unconditional)


def pick(scores: Float[Tensor, "N V"], how: How, rngs: Sequence[np.random.Generator]) -> Int[Tensor, "N"]:
    """A token a row: the likeliest at temperature 0, else one uniform number a row through the inverse distribution.

    One uniform a row, from that row's own generator, keeps a row's draw the same alone and in any batch.
    """
    if how.temperature == 0:
        return scores.argmax(-1)
    scores = scores.double() / how.temperature
    if how.top_k and how.top_k < scores.shape[-1]:
        floor = scores.topk(how.top_k, dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < floor, -torch.inf)
    cumulative = scores.softmax(-1).cumsum(-1)
    uniform = torch.tensor([rng.random() for rng in rngs], dtype=torch.float64, device=scores.device)
    at = torch.searchsorted(cumulative, (uniform * cumulative[:, -1])[:, None], right=True)[:, 0]
    return at.clamp(max=scores.shape[-1] - 1)
