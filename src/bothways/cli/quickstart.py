"""`bothways quickstart`: the main job, from nothing to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import progress, say

OUT = Path("runs/quickstart")


def quickstart(
    out: Annotated[Path, typer.Option(help="Folder for runs and report; a stopped job goes on there.")] = OUT,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm; one seed decides nothing.")] = 1,
    recipe: Annotated[str, typer.Option(help="The model: a name from `bothways recipes`, or a YAML file.")] = "vq-vq",
    world: Annotated[str | None, typer.Option(help="Another world than the recipe's: watch or shapes.")] = None,
) -> None:
    """Does learning to draw help to read, and the reverse? Train three arms, measure, report."""
    from bothways.core.errors import RunError

    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; expected a folder for runs and report: choose another --out.")
    from bothways.studies.quickstart import run

    say(f"The report is {run(out, seeds, progress(), recipe, world)}")
