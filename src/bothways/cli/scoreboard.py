"""Scores as tables for a terminal of 80 columns: what was measured, against chance and ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bothways.cli.terminal import table

if TYPE_CHECKING:
    from bothways.evaluate.scores import Score, Sheet

Cell = Callable[["Sheet", str], str]


def show(sheets: Mapping[str, Sheet], run: Path, name: str, console: Console) -> None:
    """Prints the exam `name`, and where its files are."""
    sheet = sheets[name]
    console.print(f"{run} · {name} · split {sheet.exam['split']}", style="bold", markup=False, soft_wrap=True)
    console.print()
    for title, kind, columns in (
        ("reading", "reading", _READING),
        ("drawing", "drawing", _DRAWING),
        ("drawing, open requests", "open_drawing", _DRAWING),
        ("editing", "editing", _EDITING),
        ("captions", "captions", _CAPTIONS),
        ("readers' agreement", "agreement", _AGREEMENT),
    ):
        rows = _rows(sheet, kind, [column.measure for column in columns])
        if rows:
            console.print(_table(sheet, title, kind, rows, columns))
            console.print()
    for line in [*_no_agreement(sheet), *_kept_besides(sheet), *_likelihoods(sheet), *_token_errors(sheet)]:
        console.print(line, markup=False)
    others = [other for other in sheets if other != name]
    if others:
        console.print(f"Also marked: {', '.join(others)}.", markup=False, soft_wrap=True)
    console.print(f"Scores: {run}/scores.json · answers: {run}/answers/{name}", style="dim", markup=False, soft_wrap=True)


class Column:
    """`title`, and the field of the measure that it shows."""

    def __init__(self, title: str, measure: str, shown: Callable[[Score], str]):
        self.title, self.measure, self.shown = title, measure, shown


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _with_error(score: Score) -> str:
    return _number(score.value) + ("" if score.se is None else f" ± {score.se:.2f}")


def _value(score: Score) -> str:
    return _number(score.value)


def _chance(score: Score) -> str:
    return _number(score.chance)


def _ceiling(score: Score) -> str:
    return _number(score.ceiling)


_ACCURACY = (
    Column("accuracy", "accuracy", _with_error),
    Column("chance", "accuracy", _chance),
    Column("ceiling", "accuracy", _ceiling),
)
_READING = (*_ACCURACY, Column("skill", "skill", _with_error), Column("degrees", "degrees", _value))
_DRAWING = (
    *_ACCURACY,
    Column("skill", "skill", _with_error),
    Column("degrees", "degrees", _value),
    Column("unreadable", "unreadable", _value),
)
_EDITING = (*_ACCURACY, Column("asked", "asked", _value), Column("kept", "kept", _value))
_AGREEMENT = (
    Column("the same", "same", _with_error),
    Column("accuracy, second", "second_accuracy", _value),
    Column("first alone", "first_alone", _value),
    Column("second alone", "second_alone", _value),
)
_CAPTIONS = (Column("F1", "f1", _with_error), Column("chance", "f1", _chance), Column("ceiling", "f1", _ceiling))


def _rows(sheet: Sheet, kind: str, measures: list[str]) -> list[str]:
    """Attributes in the order of the exam, levels after them."""
    names = [name.split("/")[1] for name in sheet.scores if name.startswith(f"{kind}/") and name.split("/")[2] in measures]
    levels = sheet.exam.get("levels", {})
    return sorted(dict.fromkeys(names), key=lambda name: name in levels or name.startswith("gate"))


def _table(sheet: Sheet, title: str, kind: str, rows: list[str], columns: tuple[Column, ...]) -> Table:
    used = [column for column in columns if any(sheet.get(f"{kind}/{row}/{column.measure}") for row in rows)]
    found = table()
    found.add_column(title, no_wrap=True)
    for column in used:
        found.add_column(column.title, justify="right", no_wrap=True)
    levels = sheet.exam.get("levels", {})
    for row in rows:
        scores = [sheet.get(f"{kind}/{row}/{column.measure}") for column in used]
        cells = ["" if score is None else column.shown(score) for column, score in zip(used, scores, strict=True)]
        found.add_row(row, *cells, style="dim" if row in levels or row.startswith("gate") else None)
    return found


def _no_agreement(sheet: Sheet) -> list[str]:
    """Why drawings were not read a second time, where they were not."""
    from bothways.evaluate.agreement import why_none
    from bothways.evaluate.answers import Exam

    drew = any(name.startswith("drawing/") for name in sheet.scores)
    return [why_none(Exam.parse(sheet.exam))] if drew and not _rows(sheet, "agreement", ["same"]) else []


def _kept_besides(sheet: Sheet) -> list[str]:
    """What an edit should leave alone too, beyond what counts, for people in one line."""
    names = [name for name in sheet.scores if name.startswith("editing/all/") and name.endswith("_kept")]
    parts = [f"{name.split('/')[2].removesuffix('_kept')} {_in_full(sheet[name])}" for name in names]
    return [f"Kept by edits of something else: {', '.join(parts)}."] if parts else []


def _in_full(score: Score) -> str:
    return _with_error(score) + ("" if score.ceiling is None else f" (ceiling {score.ceiling:.2f})")


def _likelihoods(sheet: Sheet) -> list[str]:
    """Held-out nats, for people in one line."""
    told = {
        "answers": "an answer",
        "captions": "a caption",
        "image_tokens": "a picture's tokens",
        "edited_image_tokens": "an edited picture's",
    }
    found = [(words, sheet.get(f"nll/{name}/nats")) for name, words in told.items()]
    parts = [f"{score.value:.2f} {words}" for words, score in found if score is not None]
    return [f"Held-out nats: {', '.join(parts)}."] if parts else []


def _token_errors(sheet: Sheet) -> list[str]:
    """The same for image tokens that have no likelihood."""
    told = {
        "one_minus_cosine": "1 - cosine",
        "squared_error": "squared error",
        "noise_squared_error": "squared error of the noise",
        "velocity_squared_error": "squared error of the velocity",
    }
    found = [(words, sheet.get(f"tokens/image/{name}")) for name, words in told.items()]
    return [
        f"Held-out image tokens: {words} {score.value:.3f}, best constant {score.chance:.3f}"
        + ("." if score.skill is None else f", skill {score.skill:.2f}.")
        for words, score in found
        if score is not None
    ]
