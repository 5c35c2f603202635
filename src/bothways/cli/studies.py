"""`bothways studies` (what can be asked, and what it costs) and `bothways study` (ask it)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import SetOption, notice, page, progress, say, table


def studies() -> None:
    """List the studies: each a question with arms, controls and a verdict rule, and what one seed of it costs."""
    from rich.text import Text

    from bothways.studies import STUDIES

    listed = table("study", "question and cost")
    for name in STUDIES:
        found, _, cost = _planned(name)
        listed.add_row(name, Text(found.title) + Text(f"\n{found.question}", style="dim") + Text(f"\n{cost}\n"))
    page().print(listed)


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
    from bothways.studies import STUDIES
    from bothways.study.cost import cost_of
    from bothways.study.plan import plan_of
    from bothways.study.study import Study

    found = STUDIES.load(name)
    base = {**found.base_changes, **(base_changes or {})}
    found = Study.parse({**found.to_dict(), **(more or {}), "base_changes": base})
    planned = plan_of(found)
    return found, planned, cost_of(planned)
