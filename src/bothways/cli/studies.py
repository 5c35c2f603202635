"""`bothways studies` (what can be asked, and its cost), `study` (ask it) and `grid` (train every pair of tokenizers)."""

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


def grid(
    out: Annotated[Path, typer.Option(help="Folder for runs and table; a stopped grid goes on there.")],
    worlds: Annotated[str | None, typer.Option(help="With commas between them.", show_default="all")] = None,
    cells: Annotated[
        str | None, typer.Option(help="Recipes, names or YAML files, with commas between them.", show_default="all nine")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of one run; as many runs at once as the cores allow.")] = 2,
    changes: SetOption = (),
) -> None:
    """Train every given x learned tokenizer on both tasks and every world, and show all in one table.

    Writes grid.md, grid.json and a sheet of drawings a world, anew after every cell. One seed: a table, no verdict.
    """
    from bothways.core.config import parse_overrides
    from bothways.core.errors import RunError

    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; expected a folder for runs and table: choose another --out.")
    from bothways.studies.grid import CELLS
    from bothways.studies.grid import grid as planned

    settings = {"train.threads": threads, **parse_overrides(changes)}
    found = planned(out, _words(cells) or CELLS, _words(worlds) or None, settings)
    notice(f"{len(found.jobs)} cells, {sum(job.is_done for job in found.jobs.values())} of them finished.")
    from bothways.study.grid import run

    say(f"The table is {run(found, progress())}")
    if found.failed:
        (world, cell), first = next(iter(found.failed.items()))
        error = RunError(f"{len(found.failed)} of {len(found.jobs)} cells failed; the first, {cell} on {world}: {first}")
        error.exit_code = getattr(first, "exit_code", error.exit_code)
        raise error


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


def _words(listed: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (listed or "").split(",") if word.strip())
