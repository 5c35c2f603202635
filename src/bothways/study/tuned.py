"""`Tuned`: what was chosen for each arm by itself before a study, and that all arms were given the same chance.

Arms may differ in tuned keys besides the axis of the study. `study/tune.py` chooses; what it did is part of the study from then
on, and so of its registration and its report.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field, model_validator

from bothways.core.config import Config
from bothways.core.errors import ConfigError
from bothways.study.axes import lies_on

PILOT_SEEDS = 1000  # and above: used to choose a setting, so never to judge one
VALIDATION = "validation"  # the split that a setting is chosen on


def overlap(one: str, other: str) -> bool:
    """Whether two dotted keys are the same, or one is a part of the other."""
    return lies_on([one], other) or lies_on([other], one)


class Tuned(Config):
    """How the arms' own values were chosen: of the same trials for every arm, on seeds and scenes that judge nothing."""

    tried: dict[str, tuple[Any, ...]] = Field(min_length=1)  # dotted key of the recipe -> the values that it was tried at
    trials: dict[str, int] = Field(min_length=1)  # arm -> number of settings that were tried
    seeds: tuple[int, ...] = Field(min_length=1)  # of each trial of each arm
    split: str = VALIDATION  # whose scenes the trials were examined on

    @model_validator(mode="after")
    def _is_fair(self) -> Tuned:
        counts = set(self.trials.values())
        if len(counts) > 1 or min(counts) < 2:
            told = ", ".join(f"{arm} {number}" for arm, number in self.trials.items())
            raise ConfigError(f"Found unequal or too few trials ({told}); tune every arm in the same number, two or more.")
        if self.split != VALIDATION:
            raise ConfigError(
                f"The arms were tuned on the split `{self.split}`, which is not for choosing settings; tune them on the split "
                f"`{VALIDATION}`."
            )
        if min(self.seeds) < PILOT_SEEDS:
            raise ConfigError(
                f"The arms were tuned on the seed {min(self.seeds)}; seeds below {PILOT_SEEDS} judge, so tune on pilot seeds."
            )
        return self

    @property
    def num_trials(self) -> int:
        """Of each arm."""
        return next(iter(self.trials.values()))

    def covers(self, key: str) -> bool:
        """Whether a dotted key is one that was tuned, or a part of one."""
        return lies_on(self.tried, key)

    @property
    def sentence(self) -> str:
        """For plans and reports."""
        keys = "; ".join(f"{key} at {', '.join(map(str, values))}" for key, values in self.tried.items())
        return (
            f"{keys}: the best for each arm by itself, of {self.num_trials} trials each, on {len(self.seeds)} pilot seeds and "
            f"the {self.split} split. Where this study says that these are the same in all arms, it means before the tuning."
        )

    def refuse_axis(self, axis: Iterable[str]) -> None:
        """Raises: ConfigError when a tuned key is what is studied, or a seed."""
        for key in self.tried:
            for studied in axis:
                if overlap(key, studied):
                    raise ConfigError(
                        f"`{key}` cannot be tuned: `{studied}` is what the study asks about, or a seed; tune another key."
                    )

    def refuse_untried(self, arm: str, changes: dict[str, Any]) -> None:
        """Raises: ConfigError when an arm was not tuned, or has a value that was not tried."""
        if arm not in self.trials:
            raise ConfigError(f"The arm `{arm}` was not tuned and others were; tune all arms of the study or none.")
        for key, values in self.tried.items():
            if key not in changes or changes[key] not in values:
                raise ConfigError(
                    f"The arm `{arm}` has `{key}` at {changes.get(key, 'its default')}, which was not among the values tried "
                    f"({', '.join(map(str, values))}); tune the study again."
                )
