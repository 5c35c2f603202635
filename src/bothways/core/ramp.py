"""A number that grows or falls along a straight line over the first steps of a run, then stays. No torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bothways.core.config import Config


class RampConfig(Config):
    """From `first` at step 0 to `last` at step `steps`, and `last` from there on."""

    kind: Literal["ramp"]
    first: float = Field(ge=0)  # value at step 0
    last: float = Field(ge=0)  # value at step `steps` and later
    steps: int = Field(gt=0)  # optimizer updates from the one to the other

    def at(self, step: int) -> float:
        """The value at `step` (0-based)."""
        return self.first + (self.last - self.first) * min(1.0, step / self.steps)


def value_at(setting: float | RampConfig, step: int) -> float:
    """A number as it is, a ramp as it stands at `step`."""
    return setting.at(step) if isinstance(setting, RampConfig) else setting
