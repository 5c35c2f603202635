"""`ddpm`: discrete times on a cosine schedule; the noise is predicted, and the variance of the step back beside it.

Source: MAR (arXiv 2406.11838, section 3.2 and its code): L = L_simple + L_vlb of Nichol and Dhariwal 2021 (arXiv 2102.09672,
section 3.1, equations 15 and 16), where the variational term, in bits a channel, teaches the variance alone: no gradient goes
from it to the predicted noise. MAR takes it at one time a draw and unscaled, as their lambda of 0.001 times 1,000 times.

Deviation: at time 0 the term is the density of the token, not the likelihood of one of 256 grey levels, which standardised
tokens do not have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.form import AbstractForm, Mix, Run
from bothways.diffusion.samplers.noise import Noise
from bothways.diffusion.schedule import NUM_TIMES, cosine_alpha_bar, posterior, trailing


class DDPM(AbstractForm):
    """Outputs 2C channels: the noise, and where the log variance lies, -1 at the posterior's and 1 at the step's."""

    unit = "noise_squared_error"

    def __init__(self):
        super().__init__()
        self.alpha_bar = cosine_alpha_bar()
        step = posterior(self.alpha_bar, np.append(1.0, self.alpha_bar[:-1]))
        variance = np.append(step.variance[1], step.variance[1:])  # at time 0 it is 0, which has no logarithm
        # How far the mean of the step moves, squared, when the predicted noise moves by one.
        leverage = step.step_variance**2 / ((1 - step.step_variance) * (1 - self.alpha_bar))
        tables = {
            "token_share": np.sqrt(self.alpha_bar),
            "noise_share": np.sqrt(1 - self.alpha_bar),
            "leverage": leverage,
            "log_variance": np.log(variance),
            "log_step_variance": np.log(step.step_variance),
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.tensor(table, dtype=torch.float32), persistent=False)

    def num_outputs(self, dim: int) -> int:
        return 2 * dim

    def time(self, share: Float[Tensor, "R"]) -> Float[Tensor, "R"]:
        return (share * NUM_TIMES).floor().clamp_max(NUM_TIMES - 1)

    def mix(self, time: Float[Tensor, "R"]) -> Mix:
        at = time.long()
        return Mix(self.token_share[at], self.noise_share[at], 0.0, 1.0)

    def loss(
        self,
        output: Float[Tensor, "R O"],
        token: Float[Tensor, "R C"],
        noise: Float[Tensor, "R C"],
        time: Float[Tensor, "R"],
    ) -> Float[Tensor, "R"]:
        found, above = output.chunk(2, -1)
        return self.error(output, token, noise, time) + self._variational(found.detach(), above, noise, time.long())

    def _variational(
        self, found: Float[Tensor, "R C"], above: Float[Tensor, "R C"], noise: Float[Tensor, "R C"], at: Tensor
    ) -> Float[Tensor, "R"]:
        """Divergence of the learned step from the true one, at time 0 the token's negative log-density; bits a channel."""
        lower, upper = self.log_variance[at, None], self.log_step_variance[at, None]
        learned = torch.lerp(lower, upper, (above + 1) / 2)
        moved = self.leverage[at, None] * (noise - found).square() * torch.exp(-learned)
        divergence = learned - lower - 1 + torch.exp(lower - learned)
        surprise = learned + math.log(2 * math.pi)
        return (0.5 * (moved + torch.where(at[:, None] > 0, divergence, surprise))).mean(-1) / math.log(2)

    def draw(self, run: Run, noise: Noise, sampler: Callable[..., Tensor], num_steps: int, settings: dict[str, Any]) -> Tensor:
        def predict(x: Tensor, time: int) -> tuple[Tensor, Tensor]:
            found, above = run(x, float(time)).chunk(2, -1)
            return found, (above + 1) / 2

        return sampler(predict, noise, trailing(self.alpha_bar, num_steps), self.alpha_bar, **settings)
