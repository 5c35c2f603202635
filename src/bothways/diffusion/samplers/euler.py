"""`euler`: straight steps along the velocity of a rectified flow.

Source: Liu et al. 2022 (arXiv 2209.03003), algorithm 1; time runs as in Esser et al. 2024 (arXiv 2403.03206), 1 is noise.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.samplers.noise import Noise, PredictVelocity


def euler(predict: PredictVelocity, noise: Noise, times: Sequence[float]) -> Float[Tensor, "N C"]:
    """Tokens. `times` fall from 1 and end with 0, one more than there are steps. One draw, at the beginning."""
    x = next(noise)
    for now, then in itertools.pairwise(times):
        x = x + (then - now) * predict(x, now)
    return x
