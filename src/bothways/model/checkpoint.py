"""Reading checkpoints: folders that appear whole or not at all, know their own checksums, and are checked when they are read.

checkpoints/step-000400/model.safetensors      state_dict of the module, buffers included
                        optimizer.safetensors  `<parameter name>.exp_avg`, `.momentum_buffer` and so on
                        average.safetensors    the moving average of what is trained, where the run keeps one
                        state.json             step, samples, seconds, aliases, checksums

A module may offer `rebuilt()`, the weights that its config alone gives back (what stands under a LoRA) with a checksum each: a
checkpoint leaves them out and keeps the checksums in state.json.

The trainer writes them (`train.checkpoint`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bothways.core.errors import RunError
from bothways.core.rundir import RunDir

FORMAT = 1
MODEL, OPTIMIZER, AVERAGE, STATE = "model.safetensors", "optimizer.safetensors", "average.safetensors", "state.json"


@runtime_checkable
class HasState(Protocol):
    """An optimizer, or several as one: `state` maps each parameter to its moments, by name, making what is missing."""

    state: dict[Tensor, dict[str, Any]]


@dataclass(frozen=True)
class Progress:
    """How far a run is: updates done, samples seen, seconds of training and of waiting for data, and the loss weights that
    follow a share of the gradient, as they stand."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk whose checksums were right when it was opened."""

    path: Path
    progress: Progress
    aliases: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    def weights(self, averaged: bool = True) -> dict[str, Tensor]:
        """The module's state_dict but for what was `left_out`, on the CPU; tied names share one tensor. `averaged`: with the
        moving average of what is trained, where the run keeps one; training goes on from what is not averaged."""
        tensors = self._tensors(MODEL) | (self.average() if averaged else {})
        return tensors | {name: tensors[twin] for name, twin in self.aliases.items()}

    def average(self) -> dict[str, Tensor]:
        """The moving average of what is trained; empty where the run keeps none."""
        return self._tensors(AVERAGE) if (self.path / AVERAGE).exists() else {}

    def load_into(self, module: nn.Module, averaged: bool = True) -> None:
        """Copies the weights (see `weights`) and buffers in place. Raises: RunError when names or shapes do not fit."""
        weights, own = self.weights(averaged), module.state_dict()
        rebuilt = module.rebuilt() if self.left_out else {}
        for name, expected in self.left_out.items():
            if rebuilt.get(name) != expected:
                raise RunError(
                    f"{self.path} holds adapters of weights that are not those of the model built here (first `{name}`): a "
                    "pretrained file changed, or another version of torch drew them; use what it was trained with."
                )
            weights[name] = own[name]
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            first = " ".join(str(error).split())[:300]
            raise RunError(f"{self.path} does not fit the model that the config describes ({first}).") from None

    def load_optimizer(self, module: nn.Module, optimizer: HasState) -> None:
        """Puts back the optimizer's moments; parameters that never had a gradient have none."""
        parameters = dict(module.named_parameters())
        optimizer.state.clear()
        for name, tensor in self._tensors(OPTIMIZER).items():
            name, _, key = name.rpartition(".")
            # `step` stays where AdamW puts it: on the parameter's device for the fused path. A clone is aligned as fresh
            # tensors are, which the memory map of a file is not.
            optimizer.state[parameters[name]][key] = tensor.to(parameters[name].device, copy=True)

    def _tensors(self, name: str) -> dict[str, Tensor]:
        try:
            return load_file(self.path / name)
        except (OSError, SafetensorError) as error:
            raise RunError(f"The checkpoint {self.path} is damaged: {name} cannot be read ({error}).") from None


def newest(folder: Path, notice: Callable[[str], None] = lambda sentence: None) -> Checkpoint | None:
    """The newest valid checkpoint in `folder`, or None when it holds none at all.

    Damaged ones are passed over, each with a sentence to `notice`. Raises: RunError when all of them are damaged.
    """
    failures = []
    for path in reversed(checkpoints_in(folder)):
        try:
            checkpoint = open_checkpoint(path)
        except RunError as error:
            failures.append(str(error))
            continue
        for failure in failures:
            notice(f"{failure} Going back to {path.name}.")
        return checkpoint
    if failures:
        raise RunError(f"{failures[0]} No other checkpoint in {folder} is valid; train again in a new folder.")
    return None


def find(run: RunDir, step: int | None = None) -> Checkpoint:
    """The checkpoint of `step`, or the newest valid one: what evaluation and loading start from.

    Raises: RunError when the run has none, or not that one, or only damaged ones.
    """
    if step is None:
        found = newest(run.checkpoints)
        if found is None:
            raise RunError(f"The run {run.path} has no checkpoint; train it first (`bothways train` with --resume goes on).")
        return found
    path = run.checkpoints / name_of(step)
    if not path.exists():
        kept = ", ".join(str(step_of(path)) for path in checkpoints_in(run.checkpoints)) or "none"
        raise RunError(f"The run {run.path} has no checkpoint of step {step}; it keeps these steps: {kept}.")
    return open_checkpoint(path)


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in `path`, its checksums verified. Raises: RunError naming the file that is wrong."""
    try:
        state = json.loads((path / STATE).read_text())
        if state["format"] != FORMAT:
            raise RunError(f"The checkpoint {path} has format {state['format']}; this version reads {FORMAT}.")
        for name, expected in state["checksums"].items():
            if checksum(path / name) != expected:
                raise RunError(f"The checkpoint {path} is damaged: {name} does not match its checksum.")
        return Checkpoint(path, Progress(**state["progress"]), state["aliases"], state.get("left_out", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"The checkpoint {path} is damaged ({type(error).__name__}: {error}).") from None


def checkpoints_in(folder: Path) -> list[Path]:
    """All `step-NNNNNN` in `folder`, oldest first, valid or not."""
    return sorted((path for path in folder.glob("step-*") if step_of(path) >= 0), key=step_of)


def name_of(step: int) -> str:
    return f"step-{step:06d}"


def step_of(path: Path) -> int:
    """400 for `.../step-000400`; -1 for a name that is no checkpoint's."""
    digits = path.name.removeprefix("step-")
    return int(digits) if digits.isdigit() else -1


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
