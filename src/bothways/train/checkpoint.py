"""Checkpoints: folders that appear whole or not at all, know their own checksums, and are checked when they are read.

checkpoints/step-000400/model.safetensors      state_dict of the module, buffers included
                        optimizer.safetensors  `<parameter name>.exp_avg` and so on
                        state.json             step, samples, seconds, aliases, checksums
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from bothways.core.disk import TEMPORARY, sync, write_json, writing
from bothways.core.errors import RunError
from bothways.core.rundir import RunDir

FORMAT = 1
MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
CORRUPT = ".corrupt-"  # a damaged checkpoint is renamed so; it is neither read nor deleted


@dataclass(frozen=True)
class Progress:
    """How far a run is: updates done, samples seen, seconds of training and of waiting for data."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk whose checksums were right when it was opened."""

    path: Path
    progress: Progress
    aliases: Mapping[str, str] = field(default_factory=dict)

    def weights(self) -> dict[str, Tensor]:
        """The module's complete state_dict, on the CPU; tied names share one tensor."""
        tensors = load_file(self.path / MODEL)
        return tensors | {name: tensors[twin] for name, twin in self.aliases.items()}

    def load_into(self, module: nn.Module) -> None:
        """Copies the weights and buffers in place. Raises: RunError when names or shapes do not fit."""
        try:
            module.load_state_dict(self.weights())
        except RuntimeError as error:
            first = " ".join(str(error).split())[:300]
            raise RunError(f"{self.path} does not fit the model that the config describes ({first}).") from None

    def load_optimizer(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Puts back the optimizer's moments; parameters that never had a gradient have none."""
        tensors = load_file(self.path / OPTIMIZER)
        optimizer.state.clear()
        for name, parameter in module.named_parameters():
            state = {key: tensors.get(f"{name}.{key}") for key in ("step", "exp_avg", "exp_avg_sq")}
            if state["step"] is not None:
                # `step` stays where AdamW puts it: on the parameter's device for the fused path. A clone is aligned as
                # fresh tensors are, which the memory map of a file is not.
                optimizer.state[parameter] = {key: t.to(parameter.device, copy=True) for key, t in state.items()}


def save_checkpoint(
    folder: Path, progress: Progress, module: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> Path:
    """Writes `folder/step-NNNNNN` and returns its path. Raises: RunError when the disk refuses; older ones stay."""
    target = folder / name_of(progress.step)
    with writing(target):
        folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
        try:
            _fill(partial, progress, module, optimizer)
            partial.chmod(0o755)
            if target.exists():  # a damaged one of the same step
                target.rename(folder / f"{TEMPORARY}{target.name}-replaced")
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        sync(folder)
    return target


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
        return Checkpoint(path, Progress(**state["progress"]), state["aliases"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"The checkpoint {path} is damaged ({type(error).__name__}: {error}).") from None


def set_aside_newer(folder: Path, step: int) -> None:
    """Renames what lies after `step` (damaged checkpoints), so that nobody trips over it again."""
    for path in checkpoints_in(folder):
        if step_of(path) > step:
            kept = folder / f"{CORRUPT}{path.name}"
            shutil.rmtree(kept, ignore_errors=True)
            path.rename(kept)


def prune(folder: Path, milestones: Collection[int], keep: int = 2) -> None:
    """Deletes all but the newest `keep` checkpoints and the milestones."""
    for path in checkpoints_in(folder)[:-keep]:
        if step_of(path) not in milestones:
            # Renamed first: a process killed in the middle of deleting must not leave half a checkpoint under its name.
            doomed = folder / f"{TEMPORARY}{path.name}"
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


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


def _fill(folder: Path, progress: Progress, module: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
    tensors, aliases = _without_twins(module.state_dict())
    _write_tensors(folder / MODEL, tensors)
    if optimizer is not None:
        _write_tensors(folder / OPTIMIZER, _flattened(module, optimizer))
    checksums = {path.name: checksum(path) for path in sorted(folder.glob("*.safetensors"))}
    state = {"format": FORMAT, "progress": asdict(progress), "aliases": aliases, "checksums": checksums}
    write_json(folder / STATE, state)


def _without_twins(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """safetensors refuses tied tensors: each is written once, with `aliases` {other name: written name}."""
    written: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple, str] = {}
    for name, tensor in state.items():
        identity = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and identity in seen:
            aliases[name] = seen[identity]
        else:
            seen[identity] = name
            written[name] = tensor
    return written, aliases


def _flattened(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value
        for name, parameter in module.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    # Serialised here and written by Python, so that a full disk is an OSError with a number and not a text from Rust.
    data = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
    with path.open("wb") as file:
        file.write(data)
    sync(path)
