"""How far the vectors that are read lie from those that are drawn: what a linear map of the former says of the latter.

The x-axis of the studies of natural misalignment: two tokenizers that differ in seed, objective or grid are as far apart as
the learned tokens are hard to predict, linearly, from the given ones. A rotation is linear, so it moves nothing here; for
that dial `as_they_are` is the axis, which no map helps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.errors import DataError
from bothways.core.randomness import seed_of
from bothways.vision.ridge import Ridge


@dataclass(frozen=True)
class Distance:
    """Shares of the learned vectors' variance that are explained on pictures not fitted: 1 = known, 0 = nothing known.

    The mean vector of every place counts for nothing. `by_place`, one share a place in raster order: from the given token at
    the same place, by a map of its own; `same_place`: over all places; `whole_picture`: from all given tokens of the picture;
    `as_they_are`: the given vectors taken for the learned ones, None where width or grid differ; `of_others`: as `same_place`
    from given tokens of another picture, which is what the measure says where nothing can be known.
    """

    by_place: tuple[float, ...]
    same_place: float
    whole_picture: float
    as_they_are: float | None
    of_others: float
    num_fitted: int
    num_scored: int


def distance(
    given: Float[Tensor, "M N C"],
    learned: Float[Tensor, "M P E"],
    given_grid: tuple[int, ...],
    learned_grid: tuple[int, ...],
    seed: int = 0,
) -> Distance:
    """Ridge regressions on three quarters of the M pictures, scored on the rest.

    Raises: DataError for fewer than 40 pictures, or grids of another number of axes.
    """
    if len(given) < 40:
        raise DataError(f"The distance of two tokenizers cannot be measured on {len(given)} pictures; give at least 40.")
    cut, others = len(given) * 3 // 4, torch.randperm(len(given), generator=_generator(seed))
    at = same_places(given_grid, learned_grid)
    own, strange = _errors(given[:, at], learned, cut), _errors(given[others][:, at], learned, cut)
    varies = _missed(learned[:cut].mean(0), learned[cut:])
    everything = Ridge(given[:cut].flatten(1)).fit(learned[:cut].flatten(1))(given[cut:].flatten(1))
    missed = _missed(everything.view_as(learned[cut:]), learned[cut:])
    alike = given.shape[1:] == learned.shape[1:] and given_grid == learned_grid
    return Distance(
        by_place=tuple((1 - own / varies.clamp_min(1e-12)).tolist()),
        same_place=float(1 - own.sum() / varies.sum()),
        whole_picture=float(1 - missed.sum() / varies.sum()),
        as_they_are=float(1 - _missed(given[cut:], learned[cut:]).sum() / varies.sum()) if alike else None,
        of_others=float(1 - strange.sum() / varies.sum()),
        num_fitted=cut,
        num_scored=len(given) - cut,
    )


def same_places(given: tuple[int, ...], learned: tuple[int, ...]) -> Int[Tensor, "P"]:
    """For every learned place the given place whose centre is nearest. Raises: DataError when axes cannot be matched."""
    if len(given) != len(learned):
        raise DataError(f"Grids {given} and {learned} have {len(given)} and {len(learned)} axes; no place fits another.")
    found = torch.zeros((), dtype=torch.long)
    for fine, coarse in zip(learned, given, strict=True):
        nearest = ((torch.arange(fine) + 0.5) * coarse / fine).floor().long()
        found = (found[..., None] * coarse + nearest).flatten()
    return found


def _errors(read: Float[Tensor, "M P C"], learned: Float[Tensor, "M P E"], cut: int) -> Float[Tensor, "P"]:
    """Squared error at every place, on the pictures not fitted."""
    found = []
    for place in range(learned.shape[1]):
        linear = Ridge(read[:cut, place]).fit(learned[:cut, place])
        found.append(linear(read[cut:, place]))
    return _missed(torch.stack(found, 1), learned[cut:])


def _missed(guess: Float[Tensor, "*shape"], truth: Float[Tensor, "T P E"]) -> Float[Tensor, "P"]:
    """Squared distance at every place."""
    return (truth - guess).double().square().sum((0, 2))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(seed, "distance"))
