"""`ancestral`: the reverse chain of DDPM, step by step with fresh noise, over any subset of the training times.

Source: Ho et al. 2020 (arXiv 2006.11239), algorithm 2; variance between that of the posterior and that of the step, as learned:
Nichol and Dhariwal 2021 (arXiv 2102.09672), equation 15, and its section 4 for the times left out. MAR's own sampler.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.samplers.noise import Noise, PredictNoise, token_of
from bothways.diffusion.schedule import posterior


def ancestral(predict: PredictNoise, noise: Noise, times: Sequence[int], alpha_bar: np.ndarray) -> Float[Tensor, "N C"]:
    """Tokens. `times` fall; `alpha_bar` is that of all training times. One draw to begin with and one a step, but the last."""
    x = next(noise)
    for time, earlier in itertools.pairwise(times):
        step = posterior(alpha_bar[time], alpha_bar[earlier])
        found, above = predict(x, time)
        mean = float(step.of_token) * token_of(x, found, alpha_bar[time]) + float(step.of_noisy) * x
        log_variance = above * float(np.log(step.step_variance)) + (1 - above) * float(np.log(step.variance))
        x = mean + torch.exp(0.5 * log_variance) * next(noise)
    return token_of(x, predict(x, times[-1])[0], alpha_bar[times[-1]])
