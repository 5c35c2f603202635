"""Which picture was meant? The rank of the true one among candidates, by distance from the tokens drawn so far.

Losses of two token spaces cannot be compared (a cosine here, nats there); ranks among the same pictures can, each by the
distance that its head learns by, where that is one: the mean of 1 - cosine over a picture's tokens is the loss of a head that
predicted them. By position in the order of drawing there are two: of the whole `prefix` of n tokens, which knows more with
every token, and of a `window` of the last few alone, which does not, so that a model that goes astray shows there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.randomness import rng
from bothways.evaluate.statistics import LEVEL, NUM_RESAMPLES, estimate

WINDOW = 8  # tokens
TIE = 1e-9  # of the mean distance: sums of equal numbers in another order


def _squared_distance(a: Float[Tensor, "M D"], b: Float[Tensor, "K D"]) -> Float[Tensor, "M K"]:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square()


def _one_minus_cosine(a: Float[Tensor, "M D"], b: Float[Tensor, "K D"]) -> Float[Tensor, "M K"]:
    return 1 - F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


METRICS = {"squared_distance": _squared_distance, "one_minus_cosine": _one_minus_cosine}


def metric_of(unit: str) -> str:
    """The distance by which a head learns whose losses have that unit; squared distance for all that have none, such as a
    likelihood of codes."""
    return unit if unit in METRICS else "squared_distance"


def distances(
    drawn: Float[Tensor, "M N D"], order: Int[Tensor, "M N"], candidates: Float[Tensor, "K N D"], metric: str
) -> Float[Tensor, "M K N"]:
    """Distance, by a name of METRICS, of the token drawn n-th from each candidate's token at that place. `drawn` and
    `candidates` are the vectors of tokens in raster order."""
    apart, pairs = METRICS[metric], zip(drawn.double().unbind(1), candidates.double().unbind(1), strict=True)
    by_place = torch.stack([apart(mine, theirs) for mine, theirs in pairs], -1)
    return by_place.gather(2, order[:, None].expand(-1, len(candidates), -1))


def within(apart: Float[Tensor, "M K N"], window: int = 0) -> Float[Tensor, "M K N"]:
    """Distances over the first n tokens drawn, or over the last `window` of them."""
    whole = apart.cumsum(2)
    if not window:
        return whole
    before = torch.zeros_like(whole)
    before[..., window:] = whole[..., :-window]
    return whole - before


def ranks(apart: Float[Tensor, "M K N"], truth: Int[Tensor, "M"]) -> tuple[Float[Tensor, "M N"], Float[Tensor, "M N"]]:
    """Rank of the true candidate, from 1, and the probability that it is first, where those equally near are put in any order:
    a rank in their middle, a first place shared by all of them. Chance: (K + 1) / 2, and 1 / K."""
    own = apart.gather(1, truth[:, None, None].expand(-1, 1, apart.shape[2]))
    tie = TIE * apart.mean()
    nearer = (apart < own - tie).sum(1)
    level = ((apart - own).abs() <= tie).sum(1)  # the true one is among them
    return 1 + nearer + (level - 1) / 2, (nearer == 0) / level


def curve(
    apart: Float[Tensor, "M K N"], truth: Int[Tensor, "M"], positions: Sequence[int], pictures: Sequence[str], **named: Any
) -> list[dict[str, Any]]:
    """One row for each of `positions` (numbers of tokens drawn): median rank and share first, with 95 % intervals over
    `pictures`; `named` is added to each."""
    found, first = ranks(apart, truth)
    rows = []
    for position in positions:
        at = found[:, position - 1].numpy()
        low, high = _median_interval(at)
        share = estimate(first[:, position - 1].tolist(), list(pictures))
        rows.append(
            {
                **named,
                "position": position,
                "median": float(np.median(at)),
                "low": low,
                "high": high,
                "first": share.value,
                "first_low": max(0.0, share.low),
                "first_high": min(1.0, share.high),
                "n": len(at),
            }
        )
    return rows


def _median_interval(values: np.ndarray) -> tuple[float, float]:
    """Percentile bootstrap."""
    drawn = rng(0, "bootstrap", "median", len(values)).integers(0, len(values), (NUM_RESAMPLES, len(values)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.median(values[drawn], axis=1), [tail, 1 - tail])
    return float(low), float(high)
