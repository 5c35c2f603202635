"""`flow`: rectified flow. A noisy token lies on the straight line from token to noise, and the velocity along it is predicted.

Source: Liu et al. 2022 (arXiv 2209.03003), equation 1; Lipman et al. 2022 (arXiv 2210.02747). Times are uniform. As in Esser et
al. 2024 (arXiv 2403.03206, equation 1) time 0 is the token and time 1 the noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from bothways.diffusion.form import MOST, AbstractForm, Mix, Run
from bothways.diffusion.samplers.noise import Noise


class Flow(AbstractForm):
    """Outputs C channels: noise minus token."""

    unit = "velocity_squared_error"

    def num_outputs(self, dim: int) -> int:
        return dim

    def time(self, share: Float[Tensor, "R"]) -> Float[Tensor, "R"]:
        return MOST * share

    def mix(self, time: Float[Tensor, "R"]) -> Mix:
        return Mix(1 - time / MOST, time / MOST, -1.0, 1.0)

    def loss(
        self,
        output: Float[Tensor, "R O"],
        token: Float[Tensor, "R C"],
        noise: Float[Tensor, "R C"],
        time: Float[Tensor, "R"],
    ) -> Float[Tensor, "R"]:
        return self.error(output, token, noise, time)

    def draw(self, run: Run, noise: Noise, sampler: Callable[..., Tensor], num_steps: int, settings: dict[str, Any]) -> Tensor:
        times = np.linspace(1.0, 0.0, num_steps + 1).tolist()
        return sampler(lambda x, time: run(x, MOST * time), noise, times, **settings)
