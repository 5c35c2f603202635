"""Who chooses the best of n drawings, and how well: the model by reading them, its head by their likelihood, the world's
reader, or nobody.

The world's reader is an oracle: it knows the scene that was asked for, and what it counts is what is measured. Of a pool of
drawings every smaller n is looked at in disjoint groups, so that all drawings are used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

Table = Float[np.ndarray, "M K"]  # requests by candidates


def kept(values: Table, scores: Table | None, num: int) -> Float[np.ndarray, "M"]:
    """The mean value of what is kept of each request, of disjoint groups of `num` candidates: the one with the highest score,
    the first of several; without scores any, at random."""
    groups = values[:, : values.shape[1] // num * num].reshape(len(values), -1, num)
    if scores is None:
        return groups.mean((1, 2))
    best = scores[:, : groups.shape[1] * num].reshape(groups.shape).argmax(2)
    return np.take_along_axis(groups, best[..., None], 2)[..., 0].mean(1)


def told_apart(values: Table, scores: Table) -> tuple[float, int]:
    """Of all pairs of drawings of one request with unequal values: the share in which the better one has the higher score (0.5:
    the scores say nothing), and how many pairs there are. NaN where there is none."""
    better = values[:, :, None] > values[:, None, :]
    higher = scores[:, :, None] > scores[:, None, :]
    level = scores[:, :, None] == scores[:, None, :]
    num = int(better.sum())
    right = float((better & higher).sum() + 0.5 * (better & level).sum())
    return (right / num if num else float("nan")), num


def pools(rows: Mapping[str, float], names: list[list[str]]) -> Table:
    """Values by the names of candidates, request by request. A missing one is NaN."""
    return np.array([[rows.get(name, np.nan) for name in of] for of in names])
