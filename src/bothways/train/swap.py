"""Swap a part between two runs: does what a model knows come along with its backbone, or with its projectors?

The new run is the first one with one part of the second: its config, parts and checkpoint, and a provenance that names both
parents. It can be evaluated, asked and probed like any run; there are no optimizer moments, so it cannot be trained on.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from bothways.core.config import digest_of
from bothways.core.disk import read_json, write_json, writing
from bothways.core.errors import ConfigError, RunError, unknown
from bothways.core.rundir import RunDir
from bothways.model.checkpoint import MODEL, Checkpoint, checksum, find
from bothways.model.store import CHECKSUMS, rebuild
from bothways.train.checkpoint import save_checkpoint

BOTH = {"projector": ("given_projector", "learned_projector")}  # short names of parts that have several
PARENTS = "parents"


def swap(a: RunDir, b: RunDir, part: str, out: Path | str) -> tuple[RunDir, list[str]]:
    """Run `a` with `part` of run `b` in the folder `out`, and what to bear in mind when reading its scores.

    `part`: backbone, projector (both), given_projector, learned_projector, head, or any beginning of weights' names, e.g.
    backbone.lm.model.layers.0. Raises: RunError when a parent cannot be read, shapes differ (with tensor and shapes), or
    `out` holds something; ConfigError for a part that there is not.
    """
    ours, theirs = find(a), find(b)
    old, new = ours.weights(), theirs.weights()
    names = _names(part, old)
    _check_shapes(names, old, new, a, b)
    swapped = old | {name: new[name] for name in names}
    _check_ties(ours, swapped, a, b)
    model = rebuild(a)
    model.load_state_dict(swapped)
    run = RunDir.create(out, a.config())
    with writing(run.path):
        shutil.copytree(a.path / "parts", run.path / "parts")
    parents = [_parent(a, ours, f"all but {part}"), _parent(b, theirs, part)]
    *earlier, start = read_json(run.provenance_path)
    write_json(run.provenance_path, [*earlier, {**start, PARENTS: parents}])
    save_checkpoint(run.checkpoints, ours.progress, model)
    run.mark_done({"steps": ours.progress.step, PARENTS: parents})
    return run, _cautions(a, b)


def _names(part: str, weights: Mapping[str, Tensor]) -> list[str]:
    parts = BOTH.get(part, (part,))
    found = [name for name in weights if any(name == one or name.startswith(f"{one}.") for one in parts)]
    if not found:
        known = [*BOTH, *dict.fromkeys(name.split(".")[0] for name in weights)]
        raise ConfigError(unknown("part to swap:", part, known))
    return found


def _check_shapes(names: Sequence[str], old: Mapping[str, Tensor], new: Mapping[str, Tensor], a: RunDir, b: RunDir) -> None:
    for name in names:
        if name not in new:
            raise RunError(f"{b.path} has no `{name}`, which {a.path} has; swap between runs of the same parts.")
        if old[name].shape != new[name].shape:
            raise RunError(
                f"`{name}` is {_shape(old[name])} in {a.path} and {_shape(new[name])} in {b.path}; swap between runs whose "
                "parts have the same shapes."
            )
    prefixes = {name.split(".")[0] for name in names}
    more = [name for name in new if name.split(".")[0] in prefixes and name not in old]
    if more:
        raise RunError(f"{a.path} has no `{more[0]}`, which {b.path} has; swap between runs of the same parts.")


def _check_ties(checkpoint: Checkpoint, swapped: Mapping[str, Tensor], a: RunDir, b: RunDir) -> None:
    for name, twin in checkpoint.aliases.items():
        if not swapped[name].equal(swapped[twin]):
            raise RunError(
                f"`{name}` and `{twin}` are one tensor in {a.path} and would not be after the swap with {b.path}; swap both "
                "(--part projector) with a run that shares them too."
            )


def _parent(run: RunDir, checkpoint: Checkpoint, gave: str) -> dict[str, Any]:
    return {
        "run": run.path.name,
        "gave": gave,
        "config": digest_of(run.config()),
        "step": checkpoint.progress.step,
        "weights": checksum(checkpoint.path / MODEL),
    }


def _cautions(a: RunDir, b: RunDir) -> list[str]:
    """Sentences on what fits in shape and may not fit in meaning."""
    found = []
    if _texts(a) != _texts(b):
        found.append("The two runs have different text tokenizers, so words do not mean the same to both.")
    if _sums(a) != _sums(b):
        found.append("The two runs have different visual tokenizers, so a part of one reads tokens that it never saw.")
    return found


def _texts(run: RunDir) -> dict[str, str]:
    return {path.name: checksum(path) for path in sorted((run.path / "parts" / "wording").glob("*")) if path.is_file()}


def _sums(run: RunDir) -> Any:
    path = run.path / "parts" / CHECKSUMS
    return read_json(path) if path.exists() else {}


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
