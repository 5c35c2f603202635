"""`Study` and `Arm`: a question with everything fixed before the run that decides how it is answered."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from bothways.core.config import Config
from bothways.core.errors import ConfigError, unknown
from bothways.study.axes import check_axes
from bothways.study.claim import Claim, check_claims
from bothways.study.tuned import PILOT_SEEDS, Tuned
from bothways.worlds.world import Split

LEAST_SEEDS = 5  # fewer support nothing: an interval over them knows too little of the spread over seeds
Budget = Literal["own-task samples", "image-text pairs", "tokens", "FLOPs"]
"""What two compared arms may have the same of; own-task samples go with equal steps."""
BUDGETS: tuple[str, ...] = get_args(Budget)


_REACHES = (
    " Where a comparison asks when a level is reached, it is of log2 of the steps, over seeds alone; a run that does not say "
    "when counts as a bound, and with any of them there is no verdict of no effect."
)


class Arm(Config):
    """One way of training: the base recipe with changes. `reads` and `draws` say which exams it sits."""

    name: str = Field(pattern=r"^[\w.-]+$")  # a folder is called so, and a seed
    about: str = ""  # one line for the report
    changes: dict[str, Any] = Field({})  # dotted keys of the recipe -> values
    reads: bool = True
    draws: bool = True


class Comparison(Config):
    """One direction of the question: does the treatment beat the control on the primary measure?"""

    name: str  # "reading", "drawing"
    question: str
    treatment: str  # arm
    control: str  # arm
    axis: tuple[str, ...] | None = None  # keys in which its two arms may differ; null: all of the study's axis
    # Measure that the verdict rests on, e.g. reading/hands/skill; everything else is shown only.
    primary: str = Field(pattern=r"^[^/]+/[^/]+/[^/]+$")
    # A level of it: compared is log2 of the steps until it is reached, see reaching.py; null: its value at the end.
    reaches: float | None = Field(None, gt=0, lt=1)
    minimum_effect: float = Field(0.05, gt=0)  # smallest difference that would matter, in units of the primary measure
    seed_sd: float | None = Field(None, ge=0)  # spread of paired differences over seeds, known from earlier runs
    seed_sd_source: str = ""  # where that is known from


class Dial(Config):
    """What the settings of a study differ in: the x-axis of a plot of what both arms of each comparison score."""

    name: str  # with its unit
    at: dict[str, float] = Field({})  # comparison -> place; empty: measured before the report is written, see study/dial.py
    doubles: bool = False  # places are shown, and trends are lines, over log2(1 + place)

    def scaled(self, place: float) -> float:
        return math.log2(1 + place) if self.doubles else place


class Study(Config):
    """A question, what is expected, what differs, what is held fixed, and the rule that turns results into a verdict."""

    name: str
    title: str
    question: str
    claim: str  # what would be true if the answer were yes
    expectation: str  # what the authors expect, written before the run
    base: str  # recipe
    base_world: str | None = None  # kind of world that the recipe is moved to; None: its own
    base_changes: dict[str, Any] = Field({})  # dotted keys -> values, the same for all arms
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    axis: tuple[str, ...] = ("data.sources",)  # dotted keys (or their beginnings) in which arms may differ
    claims: tuple[Claim, ...] = ()  # what is said of several comparisons together, see claim.py
    tuned: Tuned | None = None  # what was chosen for each arm by itself, in which arms may differ too; null: nothing
    dial: Dial | None = None  # along which its comparisons are settings of one question
    matching: Literal[Budget, "none"] = "own-task samples"  # what the arms of a comparison have the same of, see budget.py
    held_fixed: tuple[str, ...] = ()  # sentences for the report
    controls: tuple[str, ...] = ()  # what else could explain a difference, and what was done about it
    seeds: tuple[int, ...] = (0,)
    pilot: bool = False  # it chooses a setting, on pilot seeds, and judges nothing
    seed_keys: tuple[str, ...] = ("model.seed", "data.seed", "train.seed")  # keys that a seed sets, in every arm alike
    min_seeds: int = LEAST_SEEDS  # below this no verdict but "undecided at this budget"
    floor: float = 0.05  # primary measure of both arms below this: nothing was learned, so nothing is decided
    ceiling: float = 0.95  # ... above this: no room for a difference
    gates: tuple[str, ...] = ("weather", "weather_corner", "battery_corner", "color", "glance", "corners")  # never evidence
    reproduce: str = "bothways quickstart"  # command

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ConfigError(f"Study `{self.name}` has two arms of one name ({', '.join(names)}); give each its own.")
        asked = [comparison.name for comparison in self.comparisons]
        if not asked or len(set(asked)) < len(asked):
            raise ConfigError(f"Study `{self.name}` has the comparisons {asked}; give one or more, each its own name.")
        for comparison in self.comparisons:
            for arm in (comparison.treatment, comparison.control):
                if arm not in names:
                    raise ConfigError(unknown(f"arm in comparison `{comparison.name}`:", arm, names))
            self._check_examined(comparison)
            if comparison.primary.split("/")[1] in self.gates:
                raise ConfigError(
                    f"Comparison `{comparison.name}` rests on `{comparison.primary}`, which is a gate: it sits at the ceiling "
                    "in every arm, so it can decide nothing; choose a measure between chance and ceiling."
                )
        unplaced = [c.name for c in self.comparisons if self.dial and self.dial.at and c.name not in self.dial.at]
        if unplaced:
            raise ConfigError(
                f"Study `{self.name}` has no place on its dial for {', '.join(unplaced)}; set it in dial.at, or dial: null."
            )
        check_axes(self)
        check_claims(self)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"Study `{self.name}` has the seeds {list(self.seeds)}; give at least one, each once.")
        if self.min_seeds < LEAST_SEEDS:
            raise ConfigError(
                f"Study `{self.name}` would give a verdict with min_seeds {self.min_seeds}; support needs {LEAST_SEEDS} seeds "
                "or more, and with fewer a report says what a pilot saw: leave min_seeds out."
            )
        if min(self.seeds) < 0:
            raise ConfigError(f"Study `{self.name}` has the seed {min(self.seeds)}; seeds are counted from 0.")
        wrong = [seed for seed in self.seeds if (seed >= PILOT_SEEDS) != self.pilot]
        if wrong:
            what = "the seeds of a study lie below that, so that no run chooses a setting and judges it"
            raise ConfigError(
                f"Study `{self.name}` has the seed {wrong[0]}; seeds from {PILOT_SEEDS} are for pilots, and {what}."
            )
        return self

    @model_validator(mode="after")
    def _is_tuned_fairly(self) -> Study:
        if self.tuned is not None:
            axes = [key for comparison in self.comparisons for key in comparison.axis or ()]
            self.tuned.refuse_axis([*self.axis, *axes, *self.seed_keys])
            for arm in self.arms:
                self.tuned.refuse_untried(arm.name, arm.changes)
        return self

    def _check_examined(self, comparison: Comparison) -> None:
        """Raises: ConfigError when an arm is compared with itself, or sits no exam of what the comparison rests on."""
        if comparison.treatment == comparison.control:
            raise ConfigError(f"Comparison `{comparison.name}` has `{comparison.control}` in both places; name two arms.")
        skill = comparison.primary.split("/")[0]
        for arm in map(self.arm, (comparison.treatment, comparison.control)):
            if (skill == "reading" and not arm.reads) or (skill == "drawing" and not arm.draws):
                exam = "reads" if skill == "reading" else "draws"
                raise ConfigError(
                    f"Comparison `{comparison.name}` rests on `{comparison.primary}`, and `{arm.name}` sits no exam of that; "
                    f"set its `{exam}` to true, or compare by another measure."
                )

    def arm(self, name: str) -> Arm:
        """Raises: ConfigError when there is no such arm."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise ConfigError(unknown(f"arm of study `{self.name}`:", name, [arm.name for arm in self.arms]))

    @property
    def tuned_keys(self) -> tuple[str, ...]:
        """Keys in which arms may differ besides the axis."""
        return tuple(self.tuned.tried) if self.tuned else ()

    @property
    def split(self) -> Split:
        """Of its exams. What a pilot chooses by is not what a study is judged by."""
        return "validation" if self.pilot else "test"

    @property
    def rule(self) -> str:
        """The verdict rule in words; verdict.py applies it."""
        return (
            f"At least {self.min_seeds} seeds, or there is no verdict: two or more may say that a pilot saw a difference. "
            "Differences are paired by seed and picture, with a 95 % interval over both at once. Supported when it lies above "
            "0 and the mean reaches the minimum effect; refuted when it lies below 0; no effect of that size when the 90 % "
            "interval lies within plus and minus the minimum effect; otherwise undecided. Undecided, too, when both arms lie "
            f"below {self.floor:g} (nothing learned yet) or both above {self.ceiling:g} (no room left) on the primary measure."
        ) + (_REACHES if any(one.reaches is not None for one in self.comparisons) else "")
