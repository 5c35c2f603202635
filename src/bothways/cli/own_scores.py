"""Scores of one's own held-out items as a table for a terminal of 80 columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from bothways.evaluate.scores import Sheet

CHANCE = (
    "Chance: the most frequent training answer; of CIDEr-D, the best of ten true answers given to all; "
    "of tokens, another item's picture or request."
)


def show_held_out(sheet: Sheet, source: str, folder: Path, console: Console) -> None:
    """Prints the scores of one source, what they leave unmeasured, and where to look."""
    console.print(f"{source} · held-out items", style="bold", markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("measure", "value", "chance", "skill", "n"):
        table.add_column(title, justify="left" if title == "measure" else "right", no_wrap=True)
    for name, score in sheet.scores.items():
        value = f"{score.value:.2f}" + ("" if score.se is None else f" ± {score.se:.2f}")
        table.add_row(name, value, _number(score.chance), _number(score.skill), str(score.n))
    console.print(table)
    console.print(CHANCE, soft_wrap=True)
    if any(name.startswith("pictures/") for name in sheet.scores):
        console.print("Whether drawings show what was asked is not measured: nothing reads your own pictures.", soft_wrap=True)
    console.print(f"To look at: {folder}/index.html", style="dim", markup=False, soft_wrap=True)
    console.print()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
