"""`bothways grid`: every pair of tokenizers, trained and shown in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import SetOption, notice, progress, say


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


def _words(listed: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (listed or "").split(",") if word.strip())
