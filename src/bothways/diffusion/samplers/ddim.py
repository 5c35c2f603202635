"""`ddim`: the same marginals as `ancestral` with less fresh noise, none at eta 0.

Source: Song et al. 2021 (arXiv 2010.02502), equations 12 and 16.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.samplers.noise import Noise, PredictNoise, token_of
from bothways.diffusion.schedule import posterior


def ddim(
    predict: PredictNoise, noise: Noise, times: Sequence[int], alpha_bar: np.ndarray, eta: float = 0.0
) -> Float[Tensor, "N C"]:
    """Tokens. `eta` in [0, 1]: 0 draws noise once, at the beginning; 1 adds the posterior's variance a step, but the last."""
    x = next(noise)
    for time, earlier in itertools.pairwise(times):
        now, then = alpha_bar[time], alpha_bar[earlier]
        fresh = eta**2 * posterior(now, then).variance
        found, _ = predict(x, time)
        x = float(np.sqrt(then)) * token_of(x, found, now) + float(np.sqrt(1 - then - fresh)) * found
        if eta:
            x = x + float(np.sqrt(fresh)) * next(noise)
    return token_of(x, predict(x, times[-1])[0], alpha_bar[times[-1]])
