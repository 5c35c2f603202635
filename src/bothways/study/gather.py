"""All that a report tells, read from run folders and summed up over seeds. No HTML here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bothways.core.errors import ConfigError, unknown
from bothways.evaluate.answers import Exam
from bothways.evaluate.scores import Score, Sheet, read_scores
from bothways.evaluate.statistics import over_seeds
from bothways.study.claims import Outcome, outcomes_of
from bothways.study.compare import Difference, compare
from bothways.study.exams import exams_by_step, steps_of
from bothways.study.reaching import soonness
from bothways.study.scope import scope_of
from bothways.study.study import Study
from bothways.study.trend import trends_of
from bothways.study.verdict import Verdict, verdict


@dataclass(frozen=True)
class Cell:
    """One measure of one arm: mean over its runs. One run: interval over pictures; several: Student's over seeds."""

    value: float
    se: float | None
    low: float | None
    high: float | None
    score: Score  # of the first run: unit, chance, ceiling, n


@dataclass(frozen=True)
class LearningCurve:
    """One measure of one arm over training: (step, value, low, high), the last point from the final exam."""

    arm: str
    points: tuple[tuple[int, float, float | None, float | None], ...]


@dataclass(frozen=True)
class Gathered:
    """`cells`: arm -> measure -> cell. `differences`: comparison -> measure -> difference. `curves`: measure -> arms."""

    study: Study
    runs: dict[str, tuple[Path, ...]]
    exams: dict[str, Exam]
    cells: dict[str, dict[str, Cell]]
    differences: dict[str, dict[str, Difference]]
    verdicts: tuple[Verdict, ...]
    claims: tuple[Outcome, ...]
    curves: dict[str, tuple[LearningCurve, ...]]

    @property
    def num_seeds(self) -> int:
        return min(len(runs) for runs in self.runs.values())

    def reading_arms(self) -> list[str]:
        return [arm.name for arm in self.study.arms if arm.reads]

    def drawing_arms(self) -> list[str]:
        return [arm.name for arm in self.study.arms if arm.draws]


def gather(study: Study, arms: Mapping[str, Sequence[Path]]) -> Gathered:
    """Raises: ConfigError when an arm has no runs or is not the study's; RunError when a run is unmarked."""
    for arm in arms:
        if arm not in [one.name for one in study.arms]:
            raise ConfigError(unknown(f"arm of study `{study.name}`:", arm, [one.name for one in study.arms]))
    for arm in study.arms:
        if not arms.get(arm.name):
            raise ConfigError(f"Arm `{arm.name}` of study `{study.name}` has no runs; train it before the report is written.")
    runs = {arm.name: tuple(Path(run) for run in arms[arm.name]) for arm in study.arms}
    sheets = {name: [read_scores(run) for run in folders] for name, folders in runs.items()}
    differences = {c.name: compare(runs[c.treatment], runs[c.control]) for c in study.comparisons}
    decisive = {
        c.name: differences[c.name].get(c.primary) if c.reaches is None else soonness(runs[c.treatment], runs[c.control], c)
        for c in study.comparisons
    }
    verdicts = tuple(verdict(study, c, decisive[c.name], scope_of(runs[c.treatment][0])) for c in study.comparisons)
    num_seeds = min(map(len, runs.values()))
    return Gathered(
        study=study,
        runs=runs,
        exams={name: Exam.parse(by_exam[0]["final"].exam) for name, by_exam in sheets.items()},
        cells={name: _cells([by_exam["final"] for by_exam in each]) for name, each in sheets.items()},
        differences=differences,
        verdicts=verdicts,
        claims=outcomes_of(study, verdicts, trends_of(study, runs, differences), num_seeds),
        curves=_curves(runs, sheets),
    )


def summed_up(scores: Sequence[Score]) -> Cell:
    """One arm's measure over its runs."""
    first = scores[0]
    if len(scores) == 1:
        return Cell(first.value, first.se, first.low, first.high, first)
    found = over_seeds([score.value for score in scores])
    return Cell(found.value, found.se, found.low, found.high, first)


def _cells(sheets: Sequence[Sheet]) -> dict[str, Cell]:
    names = [name for name in sheets[0].scores if all(name in sheet for sheet in sheets)]
    return {name: summed_up([sheet[name] for sheet in sheets]) for name in names}


def _curves(
    runs: Mapping[str, Sequence[Path]], sheets: Mapping[str, Sequence[dict[str, Sheet]]]
) -> dict[str, tuple[LearningCurve, ...]]:
    found: dict[str, list[LearningCurve]] = {}
    for arm, each in sheets.items():
        by_step = exams_by_step(each, steps_of(runs[arm][0]))
        if len(by_step) < 2:
            continue
        for measure in each[0]["final"].scores:
            points = []
            for step, exam in by_step.items():
                if all(measure in one[exam] for one in each):
                    cell = summed_up([one[exam][measure] for one in each])
                    points.append((step, cell.value, cell.low, cell.high))
            if len(points) > 1:
                found.setdefault(measure, []).append(LearningCurve(arm, tuple(points)))
    return {measure: tuple(curves) for measure, curves in found.items()}


def to_json(gathered: Gathered, ledger: Any) -> dict[str, Any]:
    """report.json: everything in the report but the pictures."""
    return {
        "study": gathered.study.to_dict(),
        "rule": gathered.study.rule,
        "claims": [one.to_dict() for one in gathered.claims],
        "verdicts": [one.to_dict() for one in gathered.verdicts],
        "differences": {name: [one.to_dict() for one in found.values()] for name, found in gathered.differences.items()},
        "scores": {arm: {name: _cell_json(cell) for name, cell in cells.items()} for arm, cells in gathered.cells.items()},
        "curves": {
            measure: {curve.arm: [list(point) for point in curve.points] for curve in curves}
            for measure, curves in gathered.curves.items()
        },
        "exams": {arm: exam.to_dict() for arm, exam in gathered.exams.items()},
        "ledger": {**ledger.to_dict(), "flops": {arm: one.flops for arm, one in ledger.arms.items()}},
    }


def _cell_json(cell: Cell) -> dict[str, Any]:
    told = {"value": cell.value, "se": cell.se, "low": cell.low, "high": cell.high}
    kept = ("unit", "n", "num_pictures", "chance", "random_guess", "ceiling", "skill", "higher_is_better")
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in told.items()} | {
        key: getattr(cell.score, key) for key in kept
    }
