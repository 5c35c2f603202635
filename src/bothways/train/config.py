"""What can be set about training. Derived values (warmup steps, milestone steps) are properties."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from bothways.core.config import Config, Dtype
from bothways.core.errors import ConfigError
from bothways.core.ramp import RampConfig


class MuonConfig(Config):
    """Muon for matrices inside a network: the update is the momentum with all its singular values made one."""

    parts: tuple[str, ...] = ("backbone.lm.model.layers",)  # beginnings of weights' names; their matrices are Muon's
    momentum: float = Field(0.95, ge=0, lt=1)  # of the averaged gradient
    lr_share: float = Field(1.0, gt=0)  # Muon's learning rate as a share of `lr`, all along the schedule


class AverageConfig(Config):
    """A moving average of the weights (EMA), with which milestones and the finished run are examined and used."""

    decay: float = Field(0.9999, gt=0, lt=1)  # share of the old average that stays at a step, at most; MAR's
    device: Literal["same", "cpu"] = "same"  # where the copy lies: beside the weights, or on the CPU to save accelerator memory


class ShareConfig(Config):
    """A loss weight that gives its term a share of the gradient norm of what `shares_of` names."""

    kind: Literal["share"]
    share: float = Field(gt=0, lt=1)  # of the sum of the terms' gradient norms
    first: float = Field(1.0, gt=0)  # weight before the first measurement, in step 0
    every_steps: int = Field(20, gt=0)  # steps between two measurements; where terms differ, the smallest holds for all
    smoothing: float = Field(0.7, ge=0, lt=1)  # share of the old weight that stays at a measurement, in the logarithm


_MOVING: dict[str, type[Config]] = {"ramp": RampConfig, "share": ShareConfig}


def _weight(value: Any) -> Any:
    """A mapping becomes the config that its `kind` names."""
    if not isinstance(value, dict):
        return value
    if value.get("kind") not in _MOVING:
        raise ConfigError(f"Found the loss weight {value}; expected a number, or a mapping of the kind ramp or share.")
    return _MOVING[value["kind"]].parse(value, f"a loss weight of the kind {value['kind']}")


Weight = Annotated[float | RampConfig | ShareConfig, BeforeValidator(_weight)]


class TrainConfig(Config):
    """Settings of the trainer; the same for unified models and visual tokenizers."""

    steps: int = Field(1000, gt=0)  # optimizer updates in the whole run
    lr: float = Field(1e-3, gt=0)  # peak learning rate
    betas: tuple[float, float] = (0.9, 0.95)  # AdamW's two decay rates
    eps: float = Field(1e-8, gt=0)  # AdamW's denominator floor
    weight_decay: float = Field(0.1, ge=0)  # decoupled, on matrices only
    muon: MuonConfig | None = None  # null: AdamW trains everything; else Muon trains the matrices of some parts
    warmup_share: float = Field(0.05, ge=0, le=1)  # share of the steps in which lr rises linearly
    schedule: Literal["cosine", "constant"] = "cosine"  # what follows the warmup
    final_lr_share: float = Field(0.0, ge=0, le=1)  # lr at the end of the cosine, as a share of `lr`
    clip: float = Field(1.0, ge=0)  # largest global gradient norm; 0 = no clipping
    clip_apart: tuple[str, ...] = ()  # parts clipped by themselves: a head behind a closed gate must be
    average: AverageConfig | None = None  # null: a run is used with its last weights
    # Loss weight per term: a number, {kind: ramp, first, last, steps} or {kind: share, share}; one not named here weighs 1.
    weights: dict[str, Weight] = Field(default_factory=dict)
    micro_batches: int = Field(1, gt=0)  # pieces that the stream cuts a step into; the result does not depend on it
    dtype: Dtype = "float32"  # bfloat16 = autocast around the forward pass
    threads: int = Field(0, ge=0)  # CPU threads of torch; 0 = leave as it is
    seed: int = 0  # names the draws of a step, e.g. dropout
    checkpoint_every_s: float = Field(60.0, ge=0)  # seconds of training between two checkpoints
    milestones: int | tuple[int, ...] = 0  # steps kept and evaluated: a number (S, S/2, S/4, ...) or the steps themselves
    log_every_steps: int = Field(1, gt=0)  # steps between two lines of log.jsonl
    shares_every_steps: int = Field(0, ge=0)  # steps between two measurements of gradient shares; 0 = never
    shares_of: str = "backbone."  # gradient shares are measured on parameters whose name begins so
    tensorboard: bool = False  # write TensorBoard files too (needs the package tensorboard)

    @field_validator("milestones")
    @classmethod
    def _count_is_not_negative(cls, value: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if min([value] if isinstance(value, int) else [*value, 0]) < 0:
            raise ValueError("expected a number of milestones >= 0, or a list of steps >= 0")
        return value

    @field_validator("weights")
    @classmethod
    def _shares_leave_something(cls, value: dict[str, Any]) -> dict[str, Any]:
        asked = sum(one.share for one in value.values() if isinstance(one, ShareConfig))
        if asked >= 1:
            raise ConfigError(f"The loss weights ask for {asked:g} of the gradient in all; shares must add up to less than 1.")
        return value

    @property
    def warmup_steps(self) -> int:
        return round(self.warmup_share * self.steps)

    @property
    def milestone_steps(self) -> tuple[int, ...]:
        """Steps whose checkpoints are kept and evaluated, ascending; a number n means S, S/2, ... S/2^(n-1)."""
        if isinstance(self.milestones, int):
            chosen = {self.steps // 2**halvings for halvings in range(self.milestones)} - {0}
        else:
            chosen = {step for step in self.milestones if step <= self.steps}
        return tuple(sorted(chosen))
