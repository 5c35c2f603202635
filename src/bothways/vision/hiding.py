"""How many of a picture's latents a masked painter is not told in training: MAR's truncated Gaussian. No torch here.

Source: Li et al. 2024, MAR (arXiv 2406.11838), section 4.3 and its code (mean 1, standard deviation 0.25, at least 0.7); we
take it to be what UniHetero (arXiv 2512.23512) calls Gaussian masking probability.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Int

from bothways.vision.painter_configs import HidingConfig


def num_hidden(config: HidingConfig, uniform: Float[np.ndarray, "B"], num_places: int) -> Int[np.ndarray, "B"]:
    """How many of the places are hidden, for each number in [0, 1); at least one."""
    shares = [hidden_share(u, config.mask_mean, config.mask_std, config.least_hidden) for u in uniform.tolist()]
    return np.array([math.ceil(share * num_places) for share in shares])


def mean_hidden(config: HidingConfig, num_places: int) -> float:
    """How many they are in the mean."""
    return float(num_hidden(config, (np.arange(1000) + 0.5) / 1000, num_places).mean())


def hidden_share(uniform: float, mean: float, std: float, least: float) -> float:
    """The quantile of `uniform` in [0, 1) of that Gaussian, cut to [least, 1]."""
    gaussian = NormalDist(mean, std)
    low, high = gaussian.cdf(least), gaussian.cdf(1.0)
    return min(1.0, max(least, gaussian.inv_cdf(low + (high - low) * uniform)))
