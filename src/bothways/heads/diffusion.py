"""`diffusion`: a continuous token is drawn from a distribution, by a small network that takes noise off it step by step.

The loss is a mean over several draws of time and noise a token; the backbone runs once for all of them. The times of a token's
draws are spread evenly, each in its own part of the whole, which leaves every single one uniform and takes noise from their
mean (MAR draws them apart). Held-out tokens are measured at fixed times under noise that is theirs alone, so losses of
checkpoints and arms compare.

Temperature scales all noise that a sampler takes: a Gaussian then comes out with its standard deviation times the temperature,
whatever the sampler and its steps, and at 0 every seed gives the same token. Deviation: MAR leaves the first draw, which 100
ancestral steps forget, at full size. Guidance extrapolates the prediction, as in MAR, and leaves the learned variance alone.

Source: Li et al. 2024, MAR (arXiv 2406.11838), sections 3.2, 3.3 and 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.errors import ConfigError
from bothways.core.spec import VisualSpec
from bothways.diffusion.adaln import AdaLNMLP
from bothways.diffusion.denoiser import FORMS, draw, mean_over_draws, row_noise
from bothways.heads.choose import How
from bothways.heads.configs import DiffusionConfig
from bothways.heads.draws import Draws
from bothways.heads.gaussian import blind_error
from bothways.heads.head import AbstractHead

NUM_HELD_OUT_TIMES = 8
FARTHEST = 3.0  # root mean square of tokens, or one over it


class DiffusionHead(AbstractHead):
    """Its loss is no likelihood: `unit` is the squared error of the noise, or of the velocity."""

    def __init__(self, config: DiffusionConfig, spec: VisualSpec, width: int):
        super().__init__()
        self.config, self.spec = config, spec
        self.form = FORMS[config.form]()
        self.unit = self.form.unit
        outputs = self.form.num_outputs(spec.dim)
        self.network = AdaLNMLP(spec.dim, outputs, width, config.width, config.num_blocks)

    def check_targets(self, tokens: Float[Tensor, "M N C"]) -> None:
        size = tokens.square().mean().sqrt().item()
        if not 1 / FARTHEST <= size <= FARTHEST:
            raise ConfigError(
                f"The `{self.spec.kind}` tokens of the first step have a root mean square of {size:.3g}, and the head "
                f"`diffusion` puts noise of size 1 on them, so it needs about 1 ({1 / FARTHEST:.2g} to {FARTHEST:g}); "
                "standardise the tokenizer by the mean and standard deviation of its tokens."
            )

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
        share = self._held_out_shares(hidden).expand(len(hidden), -1)
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

    def blind(self, targets: Float[Tensor, "M N C"]) -> Float[Tensor, "M"]:
        """Under the best linear denoiser of each place, at the held-out times: see gaussian.py."""
        return blind_error(targets, self.form.mix(self.form.time(self._held_out_shares(targets))))

    def _held_out_shares(self, like: Tensor) -> Float[Tensor, "K"]:
        return (torch.arange(NUM_HELD_OUT_TIMES, device=like.device) + 0.5) / NUM_HELD_OUT_TIMES
