"""Which exams a run sat while it was trained, and at which steps."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from bothways.evaluate.scores import Sheet

_STEP = re.compile(r"step-(\d+)")


def steps_of(run: Path) -> int | None:
    """The last step in a run's log.jsonl; None without one."""
    path = run / "log.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError):
            continue  # a line cut short by a killed process
    return None


def exams_by_step(sheets: Sequence[dict[str, Sheet]], last: int | None) -> dict[int, str]:
    """Step -> the exam that all runs of an arm sat there, in order; `last`: the step of the final one."""
    at = {exam: _step(exam, last) for exam in sheets[0] if all(exam in one for one in sheets)}
    timed = [(step, exam) for exam, step in at.items() if step is not None]
    # A last checkpoint's small exam is superseded by the final one at the same step.
    return {step: exam for step, exam in sorted(timed, key=lambda pair: (pair[0], pair[1] == "final"))}


def _step(exam: str, last: int | None) -> int | None:
    named = _STEP.fullmatch(exam)
    return int(named.group(1)) if named else (last if exam == "final" else None)
