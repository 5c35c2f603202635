"""The report's tables as plain values: which rows, in which order, with which numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bothways.evaluate.answers import Exam
from bothways.study.gather import Cell, Gathered
from bothways.study.plots import Mark, bullet
from bothways.study.study import Study

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
GROUPS = {
    "primary": "Primary level",
    "other": "Other attributes",
    "two_facts": "Two facts at once",
    "gate": "Gates: shown, never evidence",
}


@dataclass(frozen=True)
class Group:
    """Attributes that stand together, levels (means over attributes) last."""

    title: str
    kind: str
    rows: tuple[str, ...]


def groups(study: Study, exam: Exam, kind: str, cells: dict[str, Cell]) -> list[Group]:
    """The attributes measured under `kind` ("reading", "drawing") in the order in which they matter."""
    names = list(
        dict.fromkeys(name.split("/")[1] for name in cells if name.startswith(f"{kind}/") and name.endswith("/accuracy"))
    )
    primary_level = {c.primary.split("/")[1] for c in study.comparisons if c.primary.startswith(f"{kind}/")}
    primary = [one for level in primary_level for one in (*exam.levels.get(level, ()), level)]
    two_facts = [*exam.levels.get("two_facts", ()), "two_facts"]
    gates = [*(n for n in study.gates if n in names), "gate", "gate_full"]
    if all(f"{kind}/{name}/accuracy" in cells for name in ("gate", "gate_full")):
        whole, full = (cells[f"{kind}/{name}/accuracy"].score.n for name in ("gate", "gate_full"))
        names = [name for name in names if name != "gate" or whole != full]  # every request names all: one row says it
    taken = {*primary, *two_facts, *gates}
    members = {
        "primary": primary,
        "other": [n for n in names if n not in taken],
        "two_facts": two_facts,
        "gate": gates,
    }
    found = [Group(GROUPS[key], key, tuple(n for n in dict.fromkeys(rows) if n in names)) for key, rows in members.items()]
    return [group for group in found if group.rows]


@dataclass(frozen=True)
class ScoreRow:
    """One attribute: what each arm scores between chance and ceiling, and its skill."""

    name: str
    is_level: bool
    n: int
    chance: str
    ceiling: str
    accuracy: tuple[str, ...]  # by arm
    accuracy_se: tuple[str, ...]
    skill: tuple[str, ...]
    skill_se: tuple[str, ...]
    extra: tuple[str, ...]  # error in degrees or points, by arm
    extra_unit: str
    unreadable: tuple[str, ...]
    bullet: str


def score_groups(
    found: Gathered, kind: str, arms: Sequence[str], colours: dict[str, str]
) -> list[tuple[Group, list[ScoreRow]]]:
    """The rows of the table of one skill, group by group; empty when no arm has it."""
    if not arms:
        return []
    exam, cells = found.exams[arms[0]], found.cells[arms[0]]
    return [
        (group, [_score_row(found, kind, name, arms, colours) for name in group.rows])
        for group in groups(found.study, exam, kind, cells)
    ]


def _score_row(found: Gathered, kind: str, name: str, arms: Sequence[str], colours: dict[str, str]) -> ScoreRow:
    def cells(measure: str) -> list[Cell | None]:
        return [found.cells[arm].get(f"{kind}/{name}/{measure}") for arm in arms]

    accuracy, skills = cells("accuracy"), cells("skill")
    extra = "degrees" if any(cells("degrees")) else "points"
    first = next(cell for cell in accuracy if cell is not None)
    # An arm that draws nothing has no reconstructions of its own; the tokenizer, and with it the ceiling, is the same.
    ceiling = next((cell.score.ceiling for cell in accuracy if cell is not None and cell.score.ceiling is not None), None)
    marks = [
        Mark(colours[arm], cell.value, cell.low, cell.high, f"{arm}: {cell.value:.3f}")
        for arm, cell in zip(arms, accuracy, strict=True)
        if cell is not None
    ]
    return ScoreRow(
        name=label(name),
        is_level=name in found.exams[arms[0]].levels,
        n=first.score.n,
        chance=number(first.score.chance),
        ceiling=number(ceiling),
        accuracy=tuple(number(cell and cell.value) for cell in accuracy),
        accuracy_se=tuple(number(cell and cell.se, digits=3) for cell in accuracy),
        skill=tuple(number(cell and cell.value) for cell in skills),
        skill_se=tuple(number(cell and cell.se, digits=3) for cell in skills),
        extra=tuple(number(cell and cell.value, digits=1) if cell else "" for cell in cells(extra)),
        extra_unit={"degrees": "°", "points": " pp"}[extra],
        unreadable=tuple(number(cell and cell.value, digits=2) for cell in cells("unreadable")),
        bullet=bullet(marks, first.score.chance, ceiling),
    )


@dataclass(frozen=True)
class Everything:
    """One line of the full list of measures."""

    name: str
    unit: str
    values: tuple[str, ...]
    chance: str
    guess: str
    ceiling: str
    n: int


def everything(found: Gathered) -> list[Everything]:
    """Every measure of every arm, as it stands in scores.json."""
    names = sorted({name for cells in found.cells.values() for name in cells})
    return [_full_row(found, name, name) for name in names]


def others(found: Gathered) -> list[Everything]:
    """Captions, likelihoods and token errors, which are neither reading nor drawing."""
    told = {
        "captions/all/f1": "captions: F1",
        "captions/all/cider_d": "captions: CIDEr-D",
        "answers/all/vqa_accuracy": "answers: VQA accuracy",
        "nll/answers/nats": "nats per answer ↓",
        "nll/captions/nats": "nats per caption ↓",
        "nll/image_tokens/nats": "nats per picture, all image tokens ↓",
        "nll/image_tokens/nats_per_token": "nats per image token ↓",
        "tokens/image/one_minus_cosine": "1 − cosine per image token ↓",
        "tokens/image/squared_error": "squared error per channel of an image token ↓",
        "tokens/image/noise_squared_error": "squared error of an image token's noise ↓",
        "tokens/image/velocity_squared_error": "squared error of an image token's velocity ↓",
        "tokens/image/skill": "image tokens: skill",
    }
    measured = {name for cells in found.cells.values() for name in cells}
    return [_full_row(found, name, words) for name, words in told.items() if name in measured]


def editing(found: Gathered) -> list[Everything]:
    """The editing score, its two halves and what is reported beside it; then the score of each kind of edit."""
    names = dict.fromkeys(name for cells in found.cells.values() for name in cells if name.startswith("editing/"))
    shown = [name for name in names if name.startswith("editing/all/") or name.endswith("/accuracy")]
    return [_full_row(found, name, _edit_label(name)) for name in shown]


def _edit_label(name: str) -> str:
    _, kind, what = name.split("/")
    told = {"accuracy": "done, all else kept", "asked": "done as asked", "kept": "all else kept"}
    return f"{'all edits' if kind == 'all' else kind.replace('_', ' ')}: {told.get(what, what.replace('_', ' '))}"


def _full_row(found: Gathered, name: str, words: str) -> Everything:
    cells = [found.cells[arm].get(name) for arm in found.runs]
    score = next(cell for cell in cells if cell is not None).score
    values = tuple(number(c and c.value) + (f" ± {number(c.se, 3)}" if c and c.se is not None else "") for c in cells)
    unit = score.unit + ("" if score.higher_is_better else " ↓")
    return Everything(words, unit, values, number(score.chance), number(score.random_guess), number(score.ceiling), score.n)


def label(name: str) -> str:
    """Attribute or level in words."""
    words = {
        "hands": "hands: mean",
        "two_facts": "two facts: mean",
        "gate": "all asked of weather, corners",
        "gate_full": "weather and both corners",
        "drawn": "shapes drawn: kind and color",
        "placed": "shapes placed: kind, color, place",
        "complete": "shapes right in all that was asked",
    }
    levels = {name: f"{name}: mean" for name in ("glance", "corners", "fine", "object", "counts", "relations")}
    return (words | levels).get(name, name.replace("_", " "))


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table, "–" where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def flops(value: float | None) -> str:
    """2.6 × 10¹³"""
    if value is None or value <= 0:
        return "–"
    power = math.floor(math.log10(value))
    return f"{value / 10**power:.1f} × 10{str(power).translate(_SUPERSCRIPT)}"
