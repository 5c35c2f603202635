"""The door of the forms of diffusion: how noise is put on a token, what is predicted, what that costs, how one walks back.

A form sees R rows: a token each, its noise, and a number in [0, 1) that names its time, 0 the cleanest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from bothways.diffusion.samplers.noise import Noise

MOST = 1000.0  # of times as networks read them
Run = Callable[[Tensor, float], Tensor]  # (noisy tokens "N C", time in [0, 1000]) -> the network's output "N O"


class Mix(NamedTuple):
    """Shares of token and noise in a noisy token, and in what is predicted from it."""

    token: Float[Tensor, "R"]
    noise: Float[Tensor, "R"]
    predicted_token: float
    predicted_noise: float


class AbstractForm(nn.Module, ABC):
    """`unit` names the squared error of the prediction, a mean over channels. The first C channels of an output are the
    prediction."""

    unit: str

    @abstractmethod
    def num_outputs(self, dim: int) -> int:
        """Channels of the network's output for tokens of `dim`."""

    @abstractmethod
    def time(self, share: Float[Tensor, "R"]) -> Float[Tensor, "R"]:
        """The time that each number in [0, 1) names, as the network reads it, in [0, 1000]."""

    @abstractmethod
    def mix(self, time: Float[Tensor, "R"]) -> Mix:
        """The shares at each time."""

    @abstractmethod
    def loss(
        self,
        output: Float[Tensor, "R O"],
        token: Float[Tensor, "R C"],
        noise: Float[Tensor, "R C"],
        time: Float[Tensor, "R"],
    ) -> Float[Tensor, "R"]:
        """What training minimises."""

    @abstractmethod
    def draw(self, run: Run, noise: Noise, sampler: Callable[..., Tensor], num_steps: int, settings: dict[str, Any]) -> Tensor:
        """Tokens "N C" by a sampler of this form in so many steps; `settings` are the sampler's own."""

    def noisy(self, token: Float[Tensor, "R C"], noise: Float[Tensor, "R C"], time: Float[Tensor, "R"]) -> Float[Tensor, "R C"]:
        mix = self.mix(time)
        return mix.token[:, None] * token + mix.noise[:, None] * noise

    def error(
        self,
        output: Float[Tensor, "R O"],
        token: Float[Tensor, "R C"],
        noise: Float[Tensor, "R C"],
        time: Float[Tensor, "R"],
    ) -> Float[Tensor, "R"]:
        """Squared error of the prediction, mean over channels."""
        mix = self.mix(time)
        wanted = mix.predicted_token * token + mix.predicted_noise * noise
        return (output[:, : token.shape[1]] - wanted).square().mean(-1)
