"""How well tokens can be freed from noise by one who knows their places and not their pictures: skill 0 of the diffusion head.

Best is judged among linear denoisers: those that are exact where each place's tokens are Gaussian. Mean and variances are each
place's own; the correlations between channels are common to all places, because a few dozen pictures say little of thousands
of covariances. All are measured on the very tokens that are denoised: hindsight, which errs on the strict side.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.form import Mix


def blind_error(tokens: Float[Tensor, "M N C"], mix: Mix) -> Float[Tensor, "M"]:
    """Expected squared error of that denoiser's predictions: mean over channels, places and the times of `mix`, and over all
    noise, in closed form."""
    deviation = (tokens - tokens.mean(0)).double()
    spread = deviation.square().mean(0).sqrt()  # "N C"; 0 where all pictures have the same
    even = torch.where(spread > 0, deviation / spread.clamp_min(1e-12), 0.0).flatten(0, 1)
    correlation = even.T @ even / len(even)
    covariance = spread[:, :, None] * correlation * spread[:, None, :]  # "N C C"
    variance, axes = torch.linalg.eigh(covariance)
    along = torch.einsum("mnc,nca->mna", deviation, axes)
    errors = [_error(along.square(), variance.clamp_min(0), *(float(x) for x in at)) for at in _rows(mix)]
    return torch.stack(errors).mean(0).float()


def _rows(mix: Mix) -> list[tuple[float, float, float]]:
    """At each time: share of token, share of noise, determinant of the map from (token, noise) to (noisy, predicted)."""
    determinant = mix.token * mix.predicted_noise - mix.noise * mix.predicted_token
    return list(zip(mix.token.tolist(), mix.noise.tolist(), determinant.tolist(), strict=True))


def _error(
    squared: Float[Tensor, "M N C"], variance: Float[Tensor, "N C"], token: float, noise: float, determinant: float
) -> Float[Tensor, "M"]:
    """Error along each principal axis on its own: what the deviation leaves, and what the noise does."""
    noisy = token**2 * variance + noise**2
    left = noise**2 * squared + (token * variance).square()
    return (determinant**2 * left / noisy.square()).flatten(1).mean(1)
