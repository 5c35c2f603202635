"""`bothways swap`: one run with a part of another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import notice, say


def swap(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="Folder of the run that gives everything else.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="Folder of the run that gives the part.")],
    part: Annotated[str, typer.Option(help="backbone, projector, given_projector, learned_projector or head.")],
    out: Annotated[Path, typer.Option(help="Folder of the new run.")],
) -> None:
    """Make a run of two: does what a model knows come along with its backbone, or with its projectors?"""
    from bothways.core.errors import RunError
    from bothways.core.rundir import RunDir

    a, b = RunDir.open(run_a), RunDir.open(run_b)  # said before torch is loaded
    for run in (a, b):
        if run.config().get("kind", "model") != "model":
            raise RunError(f"The run {run.path} holds a tokenizer and no model; give the folder of a `bothways train`.")
    from bothways.train.swap import swap as swap_part

    run, cautions = swap_part(a, b, part, out)
    for sentence in cautions:
        notice(sentence)
    say(f"{run.path} is {run_a} with the {part} of {run_b}; next: bothways evaluate {run.path}")
