"""One token under noise and out of it: the loss of a network over draws of time and noise, and a token drawn with a sampler.

The hidden states say what is known of each token: a backbone's (the diffusion head) or a painter's own.
Source: Li et al. 2024, MAR (arXiv 2406.11838), sections 3.2 and 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.adaln import AdaLNMLP
from bothways.diffusion.configs import DenoiserConfig, DrawnHow, FormConfig
from bothways.diffusion.ddpm import DDPM
from bothways.diffusion.flow import Flow
from bothways.diffusion.form import AbstractForm, Run
from bothways.diffusion.samplers import SAMPLERS
from bothways.diffusion.samplers.noise import Noise

FORMS = {"ddpm": DDPM, "flow": Flow}


def mean_over_draws(
    measure: Callable[..., Tensor],
    form: AbstractForm,
    network: AdaLNMLP,
    hidden: Float[Tensor, "N D"],
    target: Float[Tensor, "N C"],
    share: Float[Tensor, "N K"],
    noise: Float[Tensor, "N K C"],
) -> Float[Tensor, "N"]:
    """Mean of a measure of the form (`loss`, `error`) over K times and noises of each token; `share` in [0, 1) names times."""
    num, time = share.shape[1], form.time(share.flatten())
    token, noise = target.repeat_interleave(num, 0), noise.flatten(0, 1)
    condition = network.condition(hidden).repeat_interleave(num, 0)
    output = network(form.noisy(token, noise, time), time, condition).float()
    return measure(output, token, noise, time).view(-1, num).mean(1)


def draw(
    config: DenoiserConfig,
    form: AbstractForm,
    network: AdaLNMLP,
    hidden: Float[Tensor, "N D"],
    unguided: Float[Tensor, "N D"] | None,
    scale: float | Float[Tensor, "N 1"],
    noise: Noise,
    how: DrawnHow,
) -> Float[Tensor, "N C"]:
    """Tokens. Guidance by `scale` extrapolates from what is predicted under `unguided` to what is under `hidden`."""
    condition = network.condition(hidden if unguided is None else torch.cat([hidden, unguided]))

    def run(x: Tensor, time: float) -> Tensor:
        at = torch.full((1,), time, device=x.device)
        if unguided is None:
            return network(x, at, condition).float()
        return guided(*network(torch.cat([x, x]), at, condition).float().chunk(2), x.shape[1], scale)

    return walk(config, form, run, noise, how)


def walk(config: FormConfig, form: AbstractForm, run: Run, noise: Noise, how: DrawnHow) -> Float[Tensor, "N C"]:
    """Tokens by the sampler that `how` means, from what `run` predicts. Raises: ConfigError where it does not fit the form."""
    config.check_sampler(how)
    name = config.sampler_of(how)
    settings = {"eta": how.eta} if name == "ddim" else {}
    return form.draw(run, noise, SAMPLERS[config.form].load(name), config.num_steps_of(how), settings)


def guided(
    own: Float[Tensor, "N O"], plain: Float[Tensor, "N O"], dim: int, scale: float | Float[Tensor, "N 1"]
) -> Float[Tensor, "N O"]:
    """Outputs of a network whose prediction, the first `dim` channels, is extrapolated; a learned variance is left alone, as
    in MAR."""
    return torch.cat([plain[:, :dim] + scale * (own[:, :dim] - plain[:, :dim]), own[:, dim:]], -1)


def row_noise(rngs: Sequence[np.random.Generator], dim: int, temperature: float, device: torch.device) -> Noise:
    """Draws "N C" without end, each row's from its own generator; `temperature` scales them all."""
    while True:
        rows = [rng.standard_normal(dim, dtype=np.float32) for rng in rngs]
        yield temperature * torch.from_numpy(np.stack(rows)).to(device)
