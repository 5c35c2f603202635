"""The grid as Markdown: what every cell reads and draws, between chance and ceiling, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bothways.evaluate.answers import Exam
from bothways.evaluate.mark import world_of
from bothways.evaluate.scores import Score, Sheet
from bothways.study.ledger import ArmLedger
from bothways.study.tables import count, flops, label, number, seconds


@dataclass(frozen=True)
class GridCell:
    """One finished cell on one world. `given`, `learned`: names of its tokenizers. `sheet`: scores of the final exam."""

    name: str
    given: str
    learned: str
    run: Path
    sheet: Sheet
    cost: ArmLedger


def tables(cells: Sequence[GridCell]) -> str:
    """The Markdown tables of one world's finished cells: reading, drawing, open requests where any were drawn, cost."""
    parts = [
        _scores("Reading", "reading", cells, lambda sheet: [*_columns(sheet, "reading"), *_captions(sheet)]),
        _scores("Drawing, read back", "drawing", cells, lambda sheet: _columns(sheet, "drawing")),
        _scores(
            "Drawing, requests that leave something open, scored on what they name",
            "open_drawing",
            cells,
            lambda sheet: _columns(sheet, "open_drawing"),
        ),
        _cost(cells),
    ]
    return "\n\n".join(part for part in parts if part)


def _columns(sheet: Sheet, kind: str) -> list[str]:
    """Measures to show: a drawing's whole gate, single gates, evidence, the rest, means, and the skill that is evidence."""
    exam = Exam.parse(sheet.exam)
    world = world_of(exam)
    measured = [name.split("/")[1] for name in sheet.scores if name.startswith(f"{kind}/") and name.endswith("/accuracy")]
    primary = world.primary.get("reading" if kind == "reading" else "drawing", "")
    single = [name for name in measured if name not in exam.levels and name != "gate"]  # gate_full is the stricter one
    means = [name for name in exam.levels if name in measured and name not in world.gates and name != primary]
    part_of_a_mean = {one for name in means for one in exam.levels[name]}
    gates = [name for name in ("gate_full", *world.gates) if name in single]
    evidence = [name for name in exam.levels.get(primary, (primary,)) if name in single]
    rest = [name for name in single if name not in (*gates, *evidence) and name not in part_of_a_mean]
    shown = [f"{kind}/{name}/accuracy" for name in (*gates, *evidence, *rest, *means)]
    return shown + [name for name in (f"{kind}/{primary}/skill",) if name in sheet]


def _captions(sheet: Sheet) -> list[str]:
    return [name for name in ("captions/all/f1",) if name in sheet]


def _scores(title: str, kind: str, cells: Sequence[GridCell], columns: Callable[[Sheet], list[str]]) -> str:
    """Rows: n, chance, ceiling by learned tokenizer, then the cells. Empty when no cell was asked for this."""
    asked = [cell for cell in cells if any(name.startswith(f"{kind}/") for name in cell.sheet.scores)]
    if not asked:
        return ""
    names = list(dict.fromkeys(name for cell in asked for name in columns(cell.sheet)))
    rows = [
        _row("n", asked[0].sheet, names, lambda score: str(score.n)),
        _row("chance", asked[0].sheet, names, lambda score: number(score.chance)),
    ]
    by_learned = {cell.learned: cell for cell in asked}
    rows += [_row(f"ceiling, {name} drawn", cell.sheet, names, _ceiling) for name, cell in by_learned.items()]
    rows += [_row(f"**{cell.name}**", cell.sheet, names, _with_error) for cell in asked]
    return f"### {title}\n\n" + markdown(["", *map(_head, names)], rows)


def _row(title: str, sheet: Sheet, names: Iterable[str], shown: Callable[[Score], str]) -> list[str]:
    scores = [sheet.get(name) for name in names]
    return [title, *("" if score is None else shown(score) for score in scores)]


def _head(measure: str) -> str:
    kind, name, what = measure.split("/")
    if kind == "captions":
        return "captions, F1"
    return label(name) + (", skill" if what == "skill" else "")


def _with_error(score: Score) -> str:
    return number(score.value) + ("" if score.se is None else f" ± {number(score.se)}")


def _ceiling(score: Score) -> str:
    return number(score.ceiling)


def _cost(cells: Sequence[GridCell]) -> str:
    kinds = [kind for kind in ("train", "evaluate", "draw", "read") if any(kind in cell.cost.seconds for cell in cells)]
    heads = ["", "trained parameters", "steps", "samples", "FLOPs of training", *(f"{kind}, s" for kind in kinds), "all, s"]
    rows = [
        [
            f"**{cell.name}**",
            count(cell.cost.parameters),
            count(cell.cost.steps),
            count(cell.cost.samples),
            flops(cell.cost.flops),
            *(seconds(cell.cost.seconds.get(kind)) for kind in kinds),
            seconds(sum(cell.cost.seconds.values())),
        ]
        for cell in cells
    ]
    return "### Cost\n\n" + markdown(heads, rows)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, all columns but the first to the right."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def to_json(cell: GridCell) -> Mapping[str, object]:
    """Everything measured in a cell."""
    return {
        "given": cell.given,
        "learned": cell.learned,
        "run": cell.run.name,
        "cost": cell.cost.to_dict(),
        "scores": {name: score.to_dict() for name, score in cell.sheet.scores.items()},
    }
