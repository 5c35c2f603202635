"""`diffusion`: a continuous token is drawn from a distribution, by a small network that takes noise off it step by step.

The loss is a mean over several draws of time and noise a token; the backbone runs once for all of them. The times of a token's
draws are spread evenly, each in its own part of the whole, which leaves every single one uniform and takes noise from their
mean (MAR draws them apart). Sampling, temperature, guidance and held-out measures: noise_head.py.

Source: Li et al. 2024, MAR (arXiv 2406.11838), sections 3.2, 3.3 and 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.spec import VisualSpec
from bothways.diffusion.adaln import AdaLNMLP
from bothways.diffusion.denoiser import draw, mean_over_draws, row_noise
from bothways.heads.choose import How
from bothways.heads.configs import DiffusionConfig
from bothways.heads.draws import Draws
from bothways.heads.head import Pass
from bothways.heads.noise_head import HELD_OUT_SHARES, NoiseHead


class DiffusionHead(NoiseHead):
    """A network of its own behind each hidden state."""

    config: DiffusionConfig

    def __init__(self, config: DiffusionConfig, spec: VisualSpec, width: int):
        super().__init__(config, spec)
        outputs = self.form.num_outputs(spec.dim)
        self.network = AdaLNMLP(spec.dim, outputs, width, config.width, config.num_blocks)

    def loss(
        self, hidden: Float[Tensor, "N D"], target: Float[Tensor, "N C"], place: Int[Tensor, "N"], draws: Draws
    ) -> Float[Tensor, "N"]:
        num = self.config.draws_per_token
        share = (torch.arange(num, device=hidden.device) + draws.uniform("time", num)) / num
        noise = draws.normal("noise", num, self.spec.dim)
        return mean_over_draws(self.form.loss, self.form, self.network, hidden, target, share, noise)

    def measured(
        self, hidden: Float[Tensor, "N D"], target: Float[Tensor, "N C"], place: Int[Tensor, "N"], draws: Draws
    ) -> Float[Tensor, "N"]:
        """The squared error alone, at the same times for every token."""
        share = torch.tensor(HELD_OUT_SHARES, device=hidden.device).expand(len(hidden), -1)
        noise = draws.normal("noise", share.shape[1], self.spec.dim)
        return mean_over_draws(self.form.error, self.form, self.network, hidden, target, share, noise)

    def sample(
        self,
        hidden: Float[Tensor, "N D"],
        unguided: Float[Tensor, "N D"] | None,
        place: Int[Tensor, "N"],
        revealed: Float[Tensor, "N"],
        how: How,
        rngs: Sequence[np.random.Generator],
    ) -> tuple[Float[Tensor, "N C"], Float[Tensor, "N"]]:
        """Confidence is 1: no density is computed. Raises: ConfigError for a sampler or a number of steps that do not fit."""
        noise = row_noise(rngs, self.spec.dim, how.temperature, hidden.device)
        scale = how.guidance_at(revealed)
        token = draw(self.config, self.form, self.network, hidden, unguided, scale, noise, how)
        return token, torch.ones(len(token), device=token.device)

    def passes(self) -> list[Pass]:
        return denoiser_passes(self.network, self.config.draws_per_token)


def denoiser_passes(network: AdaLNMLP, draws_per_token: int, num_tokens: int | float = 1) -> list[Pass]:
    """The hidden state enters once a token, noisy tokens and times with every draw."""
    draws = draws_per_token * num_tokens
    return [
        Pass([network.hidden], num_tokens),
        Pass([network.noisy], draws, behind_hidden=False),
        Pass([network.time], draws, behind_hidden=False),
        Pass([*network.blocks, network.zero_modulation, network.zero_out], draws),
    ]
