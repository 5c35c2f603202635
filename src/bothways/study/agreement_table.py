"""The report's table of the readers' agreement: whether a second reader sees in the drawings what the first one scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bothways.evaluate.agreement import KIND, why_none
from bothways.study.gather import Cell, Gathered
from bothways.study.tables import label, number


@dataclass(frozen=True)
class Agreed:
    """One arm's drawings, all its runs together. `first_alone`, `second_alone`: how often they differ and only that reader sees
    what was requested."""

    same: str
    second_accuracy: str
    first_alone: str
    second_alone: str


@dataclass(frozen=True)
class AgreementRow:
    """One attribute; `n`: facts that were requested in the drawings of one run."""

    name: str
    n: int
    arms: tuple[Agreed | None, ...]


def agreement_rows(found: Gathered, arms: Sequence[str]) -> list[AgreementRow]:
    """Attribute by attribute, in the order of the scores; empty where no second reader has read."""
    names = dict.fromkeys(name.split("/")[1] for arm in arms for name in found.cells[arm] if name.startswith(f"{KIND}/"))
    return [_row(found, name, arms) for name in names]


def why_no_agreement(found: Gathered, arms: Sequence[str]) -> str | None:
    """Why `agreement_rows` is empty though something was drawn, in a sentence; None where it is not, or nothing was drawn."""
    drew = [arm for arm in arms if any(name.startswith("drawing/") for name in found.cells[arm])]
    return why_none(found.exams[drew[0]]) if drew and not agreement_rows(found, arms) else None


def _row(found: Gathered, name: str, arms: Sequence[str]) -> AgreementRow:
    own = {arm: _cells(found.cells[arm], name) for arm in arms}
    n = next(cells["same"].score.n for cells in own.values() if cells)
    return AgreementRow(label(name), n, tuple(_agreed(own[arm], len(found.runs[arm])) for arm in arms))


def _cells(cells: Mapping[str, Cell], name: str) -> dict[str, Cell]:
    begin = f"{KIND}/{name}/"
    return {measure.removeprefix(begin): cell for measure, cell in cells.items() if measure.startswith(begin)}


def _agreed(cells: Mapping[str, Cell], num_runs: int) -> Agreed | None:
    if not cells:
        return None

    def times(what: str) -> str:
        return str(round(cells[what].value * cells[what].score.n * num_runs))

    shares = number(cells["same"].value), number(cells["second_accuracy"].value)
    return Agreed(*shares, times("first_alone"), times("second_alone"))
