"""Pilots: runs that choose a setting and judge nothing. Their seeds are those that no study may use, and they are examined on
the validation split, so that nothing is chosen by what it is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bothways.core.disk import write_atomic
from bothways.core.errors import ConfigError, DataError
from bothways.evaluate.scores import Score, read_scores
from bothways.study.study import PILOT_SEEDS, Study


def settings_of(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values of the axes, in order.

    Raises: ConfigError without an axis, or where a value stands twice.
    """
    if not axes or not all(axes.values()):
        raise ConfigError("Nothing to try was given; name at least one key with its values, e.g. train.steps=300,600,900.")
    found: list[dict[str, Any]] = [{}]
    for key, values in axes.items():
        twice = [value for number, value in enumerate(values) if value in values[:number]]
        if twice:
            raise ConfigError(f"`{key}` is to be tried at {twice[0]} twice; name each value once.")
        found = [setting | {key: value} for setting in found for value in values]
    return found


def pilot_of(study: Study, num_seeds: int, changes: Mapping[str, Any]) -> Study:
    """The study on that many pilot seeds, with other values of its own keys. Raises: ConfigError with fewer than two seeds."""
    return Study.parse(study.to_dict() | {"seeds": pilot_seeds(num_seeds), "pilot": True} | dict(changes))


def pilot_seeds(num: int) -> list[int]:
    """The first pilot seeds. Raises: ConfigError for fewer than two."""
    if num < 2:
        raise ConfigError(f"Found {num} pilot seeds; the spread over seeds needs at least 2.")
    return [PILOT_SEEDS + number for number in range(num)]


def score_of(run: Path, measure: str, *exams: str) -> Score:
    """The measure in the first of these exams that has it. Raises: DataError when none has, RunError when the run is
    unmarked."""
    sheets = read_scores(run)
    for exam in exams:
        if exam in sheets and measure in sheets[exam]:
            return sheets[exam][measure]
    raise DataError(f"`{measure}` was not measured in the pilot {run}; give the exam more pictures and drawings.")


def write_study(study: Study, path: Path) -> None:
    """Writes the study as a file that `bothways study run` takes. Raises: RunError when the disk refuses."""
    values = study.to_dict() | {"reproduce": f"bothways study run {path}"}
    write_atomic(path, yaml.safe_dump(values, sort_keys=False))
