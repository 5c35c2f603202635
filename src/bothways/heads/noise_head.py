"""What the heads share that take noise off: their form, how held-out tokens are measured, and the way back by a sampler.

Held-out tokens are measured at fixed times under noise that is theirs alone, so losses of checkpoints and arms compare.

Temperature scales all noise that a sampler takes: a Gaussian then comes out with its standard deviation times the temperature,
whatever the sampler and its steps, and at 0 every seed gives the same token. Deviation: MAR leaves the first draw, which 100
ancestral steps forget, at full size. Guidance extrapolates the prediction, as in MAR, and leaves the learned variance alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.errors import ConfigError
from bothways.core.spec import VisualSpec
from bothways.diffusion.denoiser import FORMS, guided, row_noise, walk
from bothways.diffusion.form import Run
from bothways.heads.choose import How
from bothways.heads.configs import NoiseConfig
from bothways.heads.gaussian import blind_error
from bothways.heads.head import AbstractHead

NUM_HELD_OUT_TIMES = 8
HELD_OUT_SHARES = tuple((number + 0.5) / NUM_HELD_OUT_TIMES for number in range(NUM_HELD_OUT_TIMES))
FARTHEST = 3.0  # root mean square of tokens, or one over it


class NoiseHead(AbstractHead):
    """Its loss is no likelihood: `unit` is the squared error of the noise, or of the velocity."""

    config: NoiseConfig

    def __init__(self, config: NoiseConfig, spec: VisualSpec):
        super().__init__()
        self.config, self.spec = config, spec
        self.form = FORMS[config.form]()
        self.unit = self.form.unit

    def check_targets(self, tokens: Float[Tensor, "M N C"]) -> None:
        size = tokens.square().mean().sqrt().item()
        if not 1 / FARTHEST <= size <= FARTHEST:
            raise ConfigError(
                f"The `{self.spec.kind}` tokens of the first step have a root mean square of {size:.3g}, and the head "
                f"`{self.config.kind}` puts noise of size 1 on them, so it needs about 1 ({1 / FARTHEST:.2g} to {FARTHEST:g}); "
                "standardise the tokenizer by the mean and standard deviation of its tokens."
            )

    def blind(self, targets: Float[Tensor, "M N C"]) -> Float[Tensor, "M"]:
        """Under the best linear denoiser of each place, at the held-out times: see gaussian.py."""
        return blind_error(targets, self.form.mix(self.form.time(torch.tensor(HELD_OUT_SHARES, device=targets.device))))

    def walk(self, run: Run, how: How, rngs: Sequence[np.random.Generator], device: torch.device) -> Float[Tensor, "N C"]:
        """Tokens by the sampler that `how` means, a generator a token. Raises: ConfigError for a sampler or a number of steps
        that do not fit."""
        return walk(self.config, self.form, run, row_noise(rngs, self.spec.dim, how.temperature, device), how)

    def guided(
        self, own: Float[Tensor, "N O"], plain: Float[Tensor, "N O"], scale: float | Float[Tensor, "N 1"]
    ) -> Float[Tensor, "N O"]:
        """The network's outputs with the prediction extrapolated."""
        return guided(own, plain, self.spec.dim, scale)
