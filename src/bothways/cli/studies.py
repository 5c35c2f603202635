"""`bothways studies` (what can be asked, and what it costs) and `bothways study` (ask it)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import SetOption, notice, page, progress, say


def studies() -> None:
    """List the studies: each a question with arms, controls and a verdict rule, and what one seed of it costs."""
    from rich.table import Table
    from rich.text import Text

    from bothways.studies import STUDIES

    table = Table("study", "question and cost", box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in STUDIES:
        found, _, cost = _planned(name)
        table.add_row(name, Text(found.title) + Text(f"\n{found.question}", style="dim") + Text(f"\n{cost}\n"))
    page().print(table)


def study(
    name: Annotated[str, typer.Argument(metavar="STUDY", help="A name from `bothways studies`.")],
    out: Annotated[Path, typer.Option(help="Folder for runs and report; a stopped study goes on there.")],
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm; below five no verdict.")] = 1,
    changes: SetOption = (),
) -> None:
    """Run a study: train every arm, examine it, and report with a verdict."""
    from bothways.core.config import parse_overrides
    from bothways.core.errors import RunError

    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; expected a folder for runs and report: choose another --out.")
    found, _, cost = _planned(name, {"seeds": list(range(seeds))}, parse_overrides(changes))
    notice(f"{found.title} {cost}.")
    from bothways.study.run import run

    say(f"The report is {run(found, out, progress())}")


def _planned(name: str, more: dict | None = None, base_changes: dict | None = None):
    """The study, its plan and its cost; a confounded one is refused here."""
    from bothways.recipes.recipe import load_recipe
    from bothways.studies import STUDIES
    from bothways.study.cost import cost_of
    from bothways.study.plan import plan
    from bothways.study.study import Study

    found = STUDIES.load(name)
    base = {**found.base_changes, **(base_changes or {})}
    found = Study.parse({**found.to_dict(), **(more or {}), "base_changes": base})
    planned = plan(found, load_recipe(found.base, kind="model"))
    return found, planned, cost_of(planned)
