"""Writing checkpoints, and keeping the right ones. What is in them, and how they are read: `model.checkpoint`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from bothways.core.disk import TEMPORARY, sync, write_json, writing
from bothways.model.checkpoint import (
    AVERAGE,
    FORMAT,
    MODEL,
    OPTIMIZER,
    STATE,
    HasState,
    Progress,
    checkpoints_in,
    checksum,
    name_of,
    step_of,
)
from bothways.train.average import Average

CORRUPT = ".corrupt-"  # a damaged checkpoint is renamed so; it is neither read nor deleted


def save_checkpoint(
    folder: Path,
    progress: Progress,
    module: nn.Module,
    optimizer: HasState | None = None,
    average: Average | None = None,
) -> Path:
    """Writes `folder/step-NNNNNN` and returns its path. Raises: RunError when the disk refuses; older ones stay."""
    target = folder / name_of(progress.step)
    with writing(target):
        folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
        try:
            _fill(partial, progress, module, optimizer, average)
            partial.chmod(0o755)
            if target.exists():  # a damaged one of the same step
                target.rename(folder / f"{TEMPORARY}{target.name}-replaced")
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        sync(folder)
    return target


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


def _fill(folder: Path, progress: Progress, module: nn.Module, optimizer: HasState | None, average: Average | None) -> None:
    weights = module.state_dict()
    left_out = module.rebuilt() if hasattr(module, "rebuilt") else {}
    tensors, aliases = _without_twins({name: tensor for name, tensor in weights.items() if name not in left_out})
    _write_tensors(folder / MODEL, tensors)
    if optimizer is not None:
        _write_tensors(folder / OPTIMIZER, _flattened(module, optimizer))
    if average is not None:
        _write_tensors(folder / AVERAGE, average.weights)
    checksums = {path.name: checksum(path) for path in sorted(folder.glob("*.safetensors"))}
    state = {"format": FORMAT, "progress": asdict(progress), "aliases": aliases, "checksums": checksums}
    if left_out:
        state["left_out"] = left_out
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


def _flattened(module: nn.Module, optimizer: HasState) -> dict[str, Tensor]:
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
