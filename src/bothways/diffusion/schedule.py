"""The cosine noise schedule of `ddpm`, and which of its times a sampler visits. Plain numbers in double precision; no torch.

alpha_bar[t] is the share of the data's variance left at time t: noisy = sqrt(alpha_bar) token + sqrt(1 - alpha_bar) noise.

Sources: Nichol and Dhariwal 2021 (arXiv 2102.09672), section 3.2, the schedule with its offset s = 0.008 and betas of at most
0.999; Ho et al. 2020 (arXiv 2006.11239), equations 6 and 7, the posterior; Lin et al. 2023 (arXiv 2305.08891), section 3.3,
"trailing" times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NUM_TIMES = 1000  # of training, as in MAR
LEAST_LOG_SNR = -10.2
"""Twice the -5.1 at which diffusers' documentation of DPM-Solver++ cuts a cosine schedule: further out errors of the predicted
noise are divided by a sqrt(alpha_bar) of down to 1 / 20,000. Deviation: all our samplers leave these last 4 of 1,000 times out,
where MAR starts at the very last."""


def cosine_alpha_bar(num_times: int = NUM_TIMES) -> np.ndarray:
    """float64 (num_times,), falling from almost 1 to almost 0."""
    share = np.cos((np.arange(num_times + 1) / num_times + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.cumprod(1 - np.minimum(1 - share[1:] / share[:-1], 0.999))


def num_usable(alpha_bar: np.ndarray) -> int:
    """How many of the times a sampler may visit, from time 0 on: the most steps that it can take."""
    return int((np.log(alpha_bar / (1 - alpha_bar)) >= LEAST_LOG_SNR).sum())


def trailing(alpha_bar: np.ndarray, num_steps: int) -> list[int]:
    """`num_steps` times, evenly spaced, from the last usable one down; the step from the last of them ends at the token."""
    first = num_usable(alpha_bar)
    return (np.round(np.arange(num_steps, 0, -1) * (first / num_steps)) - 1).astype(int).tolist()


Numbers = np.ndarray | np.floating


class Posterior(NamedTuple):
    """Of the token one step earlier, given the noisy token and the clean one: mean = of_token * token + of_noisy * noisy;
    its variance, and that of the step itself, between which lies the variance that a model may learn."""

    of_token: Numbers
    of_noisy: Numbers
    variance: Numbers
    step_variance: Numbers


def posterior(now: Numbers, earlier: Numbers) -> Posterior:
    """From alpha_bar at a time and at the earlier one that the step leads to (1: the token itself)."""
    alpha = now / earlier
    variance = (1 - earlier) / (1 - now) * (1 - alpha)
    return Posterior(
        np.sqrt(earlier) * (1 - alpha) / (1 - now), np.sqrt(alpha) * (1 - earlier) / (1 - now), variance, 1 - alpha
    )
