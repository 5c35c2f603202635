"""What can be told of continuous tokens without knowing what they show: collapse, and the leak to earlier places.

*Leak*: a tower with a wide receptive field writes some of every patch into every other, so a token may be known, in part,
from the tokens before it in raster order. An autoregressive model is then asked for less than it seems. Measured: the share
of a token's variance that a ridge regression on all earlier tokens explains on pictures not fitted, after the mean token of
each place is taken out. Raw patches of the same pictures show how much of that is the pictures' own redundancy, and earlier
tokens of other pictures show what the measure says where nothing can leak.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.errors import DataError
from bothways.core.randomness import seed_of
from bothways.vision.ridge import Ridge


def collapse(tokens: Float[Tensor, "M N D"]) -> dict[str, float]:
    """How much of the D channels is alive.

    `effective_rank` (1 to D): of the tokens' covariance, place means taken out, so that it counts what differs between
    pictures; `share_of_place`: variance that the place alone explains, 1 = all pictures alike; `std_min`, `std_max`: of the
    channels.
    """
    by_place = tokens - tokens.mean(0)
    std = tokens.flatten(0, 1).std(0)
    total = (tokens - tokens.mean((0, 1))).square().mean()
    return {
        "effective_rank": effective_rank(by_place.flatten(0, 1).double().T.cov()),
        "share_of_place": float(1 - by_place.square().mean() / total),
        "std_min": float(std.min()),
        "std_max": float(std.max()),
    }


def effective_rank(covariance: Float[Tensor, "D D"]) -> float:
    """Exp of the entropy of the normalised eigenvalues: D where all directions vary alike, 1 where one does (Roy and Vetterli
    2007)."""
    values = torch.linalg.eigvalsh(covariance).clamp_min(0)
    share = (values / values.sum().clamp_min(1e-30)).clamp_min(1e-12)
    return float((-(share * share.log()).sum()).exp())


def leak(tokens: Float[Tensor, "M N D"], num_places: int = 16, seed: int = 0) -> dict[str, float]:
    """`explained`: share of variance of the tokens at `num_places` places (evenly spread, the last among them) that all
    earlier tokens of their picture explain, beyond place; `of_others`: the same from earlier tokens of another picture.

    Three quarters of the pictures are fitted, the rest is scored. Raises: DataError for fewer than 40 pictures.
    """
    if len(tokens) < 40:
        raise DataError(f"The leak of {len(tokens)} pictures cannot be measured; give at least 40.")
    places = sorted({max(1, round(k)) for k in torch.linspace(1, tokens.shape[1] - 1, num_places).tolist()})
    order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(seed_of(seed, "leak")))
    own, others = (_explained(tokens, tokens[rows], places) for rows in (torch.arange(len(tokens)), order))
    return {"explained": own, "of_others": others}


def _explained(tokens: Tensor, before: Tensor, places: list[int]) -> float:
    cut = len(tokens) * 3 // 4
    error = variance = 0.0
    for k in places:
        read = before[:, :k].flatten(1)
        predicted = Ridge(read[:cut]).fit(tokens[:cut, k])(read[cut:])
        error += float((predicted - tokens[cut:, k]).square().sum())
        variance += float((tokens[:cut, k].mean(0) - tokens[cut:, k]).square().sum())
    return 1 - error / max(variance, 1e-12)
