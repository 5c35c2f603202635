"""The record of a training run: log.jsonl, a progress bar where a console is given, TensorBoard files where asked.

A line of log.jsonl is one step: `step` (updates done), `samples`, `seconds` of training, `lr`, `loss` (the weighted sum
that was minimised), `terms` (the mean of each term, nats for likelihoods), `grad_norm` (before clipping), `clipped` (share
of the steps since the last line whose gradient was clipped), `samples_per_s`; where loss weights move `weights`; and now
and then `shares` (of each term in the gradient norm) and `look` (what the module shows of itself: model/collapse.py). A
resumed run drops the lines of the steps that it does again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bothways.core.disk import write_atomic, writing
from bothways.core.errors import ConfigError
from bothways.train.config import TrainConfig


class TrainLog:
    """Open it as a context around the training loop; `write` after every step."""

    def __init__(self, path: Path, config: TrainConfig, console: Console | None, title: str, step: int):
        self.path = path
        self._config = config
        self._board = _board(path.parent / "tensorboard", step) if config.tensorboard else None
        self._clipped: list[bool] = []
        self._speed = 0.0
        self._bar = None if console is None else _bar(console)
        self._task = None if self._bar is None else self._bar.add_task(title, total=config.steps, completed=step, news="")
        truncate(path, step)

    def __enter__(self) -> Self:
        with writing(self.path):
            # Unbuffered: when the disk is full, nothing is left over that closing the file would try to write again.
            self._file = self.path.open("ab", buffering=0)
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()
        if self._board:
            self._board.close()
        self._file.close()

    def write(self, record: dict[str, Any], clipped: bool, step_samples: int, step_seconds: float) -> None:
        """Takes the record of one step; it becomes a line every `log_every_steps` and at the last step."""
        self._clipped.append(clipped)
        now = step_samples / max(step_seconds, 1e-9)
        self._speed = now if not self._speed else 0.9 * self._speed + 0.1 * now
        if self._bar:
            news = f"loss {record['loss']:.4g} · {self._speed:.4g} samples/s"
            self._bar.update(self._task, completed=record["step"], news=news)
        if record["step"] % self._config.log_every_steps == 0 or record["step"] == self._config.steps:
            share = sum(self._clipped) / len(self._clipped)
            self._clipped.clear()
            self._line(record | {"clipped": round(share, 4), "samples_per_s": round(now, 2)})

    def sync(self) -> None:
        """Makes the lines written so far survive a power cut (before the checkpoint that they belong to)."""
        with writing(self.path):
            os.fsync(self._file.fileno())

    def _line(self, record: dict[str, Any]) -> None:
        with writing(self.path):
            data = (json.dumps(record) + "\n").encode()
            while data:
                data = data[self._file.write(data) :]
        if self._board:
            for name, value in _scalars(record).items():
                self._board.add_scalar(name, value, record["step"])


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log.jsonl in order; a last line cut short by a killed process is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def truncate(path: Path, step: int) -> None:
    """Drops the lines after `step`, and a broken last line. Raises: RunError when the disk refuses."""
    kept = [record for record in read_log(path) if record["step"] <= step]
    content = "".join(json.dumps(record) + "\n" for record in kept)
    if not path.exists() or path.read_text(errors="replace") != content:
        write_atomic(path, content)


def _scalars(record: dict[str, Any]) -> dict[str, float]:
    """{"terms": {"text": 1.0}} -> {"terms/text": 1.0}, without the step itself."""
    flat = {}
    for key, value in record.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        flat |= {f"{key}/{name}".rstrip("/"): number for name, number in inner}
    flat.pop("step")
    return flat


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[news]}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
    )


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "`tensorboard: true` needs the package tensorboard, which is not installed; run "
            "`pip install 'bothways[tensorboard]'`, or leave it false (log.jsonl holds the same numbers)."
        ) from None
    return SummaryWriter(str(folder), purge_step=step + 1)
