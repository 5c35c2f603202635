"""How tokens are denoised: form, size of the network, and which samplers fit. No torch here: misfits are refused without it."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import Field

from bothways.core.config import Config
from bothways.core.errors import ConfigError, unknown
from bothways.diffusion.samplers import SAMPLERS

USUAL_STEPS = {"ancestral": 100, "ddim": 50, "dpmpp_2m": 20, "euler": 25, "heun": 12}  # ancestral: MAR's; the others: ours
MOST_STEPS = 996  # of the 1,000 times of ddpm all that a sampler visits; more would change nothing in flow either


class DrawnHow(Protocol):
    """What has to be known of the settings of a drawing: `How`, the recipe's exam and a painter's settings have it."""

    temperature: float
    sampler: str | None
    sampling_steps: int | None
    eta: float


class FormConfig(Config):
    """How noise is put on tokens, and so which samplers take it off."""

    form: Literal["ddpm", "flow"] = "ddpm"  # ddpm: MAR's, noise and variance at 1,000 times; flow: velocity of a rectified flow

    def sampler_of(self, how: DrawnHow) -> str:
        """The sampler that is meant: the first of this form where none is named."""
        return how.sampler or next(iter(SAMPLERS[self.form]))

    def num_steps_of(self, how: DrawnHow) -> int:
        """The number of steps that is meant: as many as the sampler usually takes where none is given."""
        return USUAL_STEPS[self.sampler_of(how)] if how.sampling_steps is None else how.sampling_steps

    def check_sampler(self, how: DrawnHow) -> None:
        """Raises: ConfigError for a sampler that does not exist or fits another form, and for steps out of range."""
        name = self.sampler_of(how)
        if name not in SAMPLERS[self.form]:
            if any(name in samplers for samplers in SAMPLERS.values()):
                raise ConfigError(
                    f"The sampler `{name}` does not fit diffusion of the form `{self.form}`; those that do: "
                    f"{', '.join(SAMPLERS[self.form])}."
                )
            raise ConfigError(unknown("sampler", name, SAMPLERS[self.form]))
        if not 1 <= self.num_steps_of(how) <= MOST_STEPS:
            raise ConfigError(f"Found sampling_steps {how.sampling_steps}; `{name}` takes 1 to {MOST_STEPS} of them.")
        if how.eta and name != "ddim":
            raise ConfigError(f"Found eta {how.eta:g}, which only the sampler `ddim` has, not `{name}`; leave it out.")


class DenoiserConfig(FormConfig):
    """A small network that takes noise off one token, told what is known of it by a hidden state.

    MAR's are 6 to 12 blocks, 1024 to 1536 wide. The defaults fit nano models.
    """

    width: int = Field(128, gt=0)  # channels of the residual MLP
    num_blocks: int = Field(3, gt=0)  # of the residual MLP
    draws_per_token: int = Field(4, gt=0)  # times and noises a token and step; what comes before runs once for all (MAR: 4)
