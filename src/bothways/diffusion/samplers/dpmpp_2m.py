"""`dpmpp_2m`: DPM-Solver++(2M), a multistep solver of the same equation as `ddim` at eta 0, of second order in log-SNR.

Source: Lu et al. 2022 (arXiv 2211.01095), algorithm 2. The first and the last step are of first order, the last because it
ends without noise, where the log-SNR has no end.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.samplers.noise import Noise, PredictNoise, token_of


def dpmpp_2m(predict: PredictNoise, noise: Noise, times: Sequence[int], alpha_bar: np.ndarray) -> Float[Tensor, "N C"]:
    """Tokens. One draw, at the beginning."""
    x = next(noise)
    half_log_snr = 0.5 * np.log(alpha_bar / (1 - alpha_bar))
    last: tuple[Tensor, float] | None = None  # the token implied a step ago, and how far that step went
    for time, earlier in itertools.pairwise(times):
        now, then, step = alpha_bar[time], alpha_bar[earlier], float(half_log_snr[earlier] - half_log_snr[time])
        token = token_of(x, predict(x, time)[0], now)
        ahead = token if last is None else token + (token - last[0]) * (step / last[1] / 2)
        x = float(np.sqrt((1 - then) / (1 - now))) * x - float(np.sqrt(then) * np.expm1(-step)) * ahead
        last = token, step
    return token_of(x, predict(x, times[-1])[0], alpha_bar[times[-1]])
