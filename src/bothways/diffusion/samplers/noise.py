"""What samplers are given, and what a noisy token implies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float
from torch import Tensor

Noise = Iterator[Tensor]  # draws "N C" without end, standard normal at temperature 1
PredictNoise = Callable[[Tensor, int], tuple[Tensor, Tensor]]
"""(noisy token "N C", time) -> its noise "N C", and where the log variance of the step lies: 0 posterior's, 1 step's."""
PredictVelocity = Callable[[Tensor, float], Tensor]  # (noisy token "N C", time in [0, 1]) -> noise minus token "N C"


def token_of(x: Float[Tensor, "N C"], noise: Float[Tensor, "N C"], alpha_bar: float) -> Float[Tensor, "N C"]:
    """The token that a noisy one and its noise imply."""
    return (x - float(np.sqrt(1 - alpha_bar)) * noise) / float(np.sqrt(alpha_bar))
