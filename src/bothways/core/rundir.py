"""A run is a folder:

    config.yaml       the resolved config: every key, defaults included
    provenance.json   code, packages and machine; one entry per start and resume
    log.jsonl         one line per training step
    checkpoints/      step-000400/ ...
    answers/          final/, step-000400/ ...: what the model answered, as files
    scores.json       what the answers are worth
    DONE              written last

Every file appears whole or not at all, so a process killed at any moment leaves a folder that can be resumed.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import yaml

from bothways.core.config import read_yaml
from bothways.core.disk import TEMPORARY, read_json, remove_leftovers, write_atomic, write_json, writing
from bothways.core.errors import RunError
from bothways.core.provenance import provenance

LOCK = ".lock"


class RunDir:
    """The paths of one run and the rules for entering it. Use `create` to train and `open` to look."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.config_path = self.path / "config.yaml"
        self.provenance_path = self.path / "provenance.json"
        self.log_path = self.path / "log.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.answers = self.path / "answers"
        self.scores_path = self.path / "scores.json"
        self.done_path = self.path / "DONE"

    @classmethod
    def create(
        cls,
        path: Path | str,
        config: Mapping[str, Any],
        *,
        resume: bool = False,
        facts: Mapping[str, Any] | None = None,
    ) -> Self:
        """A folder to train in. `config` is the resolved config as plain values (`Config.to_dict`); `facts` join this start's
        entry in provenance.json.

        Raises: RunError when the path is a file or cannot be written; when it already holds a run and `resume` is false,
        or holds a run of another config, or files that are no run; when `resume` is true and there is no run.
        """
        run = cls(path)
        wanted = json.loads(json.dumps(config))  # tuples become lists, as they come back from YAML
        with writing(run.path):
            run._check_enterable(wanted, resume)
            run.checkpoints.mkdir(parents=True, exist_ok=True)
        with run.lock():
            remove_leftovers(run.path)
            if not run.config_path.exists():
                write_atomic(run.config_path, yaml.safe_dump(wanted, sort_keys=False))
            starts = read_json(run.provenance_path) if run.provenance_path.exists() else []
            write_json(run.provenance_path, [*starts, provenance() | dict(facts or {})])
        return run

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """A run that exists. Raises: RunError when the path is missing, a file, or a folder without config.yaml."""
        run = cls(path)
        if not run.path.exists():
            raise RunError(f"There is no run at {run.path}; give the folder that `--out` named when it was trained.")
        if not run.path.is_dir():
            raise RunError(f"{run.path} is a file; expected a run folder.")
        if not run.config_path.exists():
            raise RunError(f"{run.path} is not a run folder: it has no config.yaml.")
        return run

    def config(self) -> dict[str, Any]:
        """The resolved config as plain values."""
        return read_yaml(self.config_path)

    def answers_dir(self, name: str) -> Path:
        """The folder of one evaluation: `final` or `step-000400`."""
        return self.answers / name

    @property
    def is_done(self) -> bool:
        return self.done_path.exists()

    def mark_done(self, summary: Mapping[str, Any]) -> None:
        """Writes DONE with a small summary (steps, seconds); the last thing that a run does."""
        write_json(self.done_path, dict(summary))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder for this process; the system lets go of it when the process dies, however it dies.

        Raises: RunError when another process is writing into the folder.
        """
        with writing(self.path / LOCK):
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _take(handle, self.path)
            yield
        finally:
            os.close(handle)

    def refuse_other(self, wanted: Mapping[str, Any], held: Mapping[str, Any]) -> None:
        """Raises: RunError when `held`, the config of the run that is here, is not the one `wanted`."""
        differences = _differences(held, wanted)
        if differences:
            raise RunError(
                f"{self.path} already holds a run of another config ({'; '.join(differences[:3])}); "
                "choose another --out, or train with that run's own config."
            )

    def _check_enterable(self, wanted: dict[str, Any], resume: bool) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file; expected a folder for the run: choose another --out.")
        if not self.config_path.exists():
            self._check_empty()
            if resume:
                raise RunError(f"There is no run at {self.path} to resume; leave --resume out to start one there.")
            return
        self.refuse_other(wanted, self.config())
        if not resume:
            raise RunError(f"{self.path} already holds this run; add --resume to go on with it, or choose another --out.")

    def _check_empty(self) -> None:
        if not self.path.exists():
            return
        with writing(self.path):
            # A creation that was killed or refused leaves these and no config; it may be done again.
            unfinished = (LOCK, self.checkpoints.name, "bad_items.jsonl")
            names = sorted(path.name for path in self.path.iterdir())
            found = [name for name in names if not name.startswith(TEMPORARY) and name not in unfinished]
        if found:
            raise RunError(f"{self.path} holds files that are no run ({', '.join(found[:3])}); choose a new or empty folder.")


def _differences(found: Any, wanted: Any, key: str = "") -> list[str]:
    """Sentences such as `train.lr is 0.001 there and 0.01 here`, for every key whose value differs."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        names = [*found, *(name for name in wanted if name not in found)]
        nothing = "absent"
        return [
            line
            for name in names
            for line in _differences(found.get(name, nothing), wanted.get(name, nothing), f"{key}.{name}".lstrip("."))
        ]
    return [] if found == wanted else [f"{key} is {_short(found)} there and {_short(wanted)} here"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _take(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise RunError(f"Another process is writing into {path}; wait for it, or choose another --out.") from None
        # Some network file systems know no locks; training there is allowed, only unguarded.
