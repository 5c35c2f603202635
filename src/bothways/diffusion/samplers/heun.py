"""`heun`: `euler` with each step corrected by the velocity at its end; second order, two predictions a step.

Source: Karras et al. 2022 (arXiv 2206.00364), algorithm 1, on the velocity of a rectified flow. As there the last step stays
Euler's.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.samplers.noise import Noise, PredictVelocity


def heun(predict: PredictVelocity, noise: Noise, times: Sequence[float]) -> Float[Tensor, "N C"]:
    """Tokens. `times` fall from 1 and end with 0, one more than there are steps. One draw, at the beginning."""
    x = next(noise)
    for now, then in itertools.pairwise(times):
        velocity = predict(x, now)
        ahead = x + (then - now) * velocity
        x = ahead if then == 0 else x + (then - now) / 2 * (velocity + predict(ahead, then))
    return x
