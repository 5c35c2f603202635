"""`bothways scaling`: what a run draws for what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import RunArgument, StepOption, page, progress, say, table


def scaling(
    run: RunArgument,
    what: Annotated[
        str,
        typer.Option(
            help="Any of sampling_steps, draw_steps, guidance, temperature, painter_iterations, painter_guidance, best_of, "
            "with commas between them."
        ),
    ] = "sampling_steps,draw_steps,guidance,temperature,painter_iterations,painter_guidance,best_of",
    step: StepOption = None,
    num: Annotated[int, typer.Option(min=8, help="Requests that are drawn in every way.")] = 200,
    best_of: Annotated[int, typer.Option(min=1, metavar="N", help="Most drawings to choose among; 1: none.")] = 8,
    painter: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Paints in place of the run's own painter.", show_default=False)
    ] = None,
) -> None:
    """Inference-time scaling: quality against operations and seconds, over everything that can be set after training.

    Steps of the sampler, steps a picture, guidance and temperature, and iterations and guidance of a painter that draws, one at
    a time from the run's own settings; and best of n, where the model reads its own drawings, beside its likelihood, chance and
    the world's reader. Writes scaling.json, a page
    of plots, scaling.html, and the plots as scaling.svg into the run folder.
    """
    from bothways.core.rundir import RunDir

    RunDir.open(run)  # said before torch is loaded
    from bothways.recipes.scaling import scaling_of
    from bothways.study.scaling_page import QUALITIES, sorted_rows, told_row, write_scaling

    with progress().status("loading the run") as status:
        found = scaling_of(run, tuple(word.strip() for word in what.split(",")), num, best_of, step, painter, status.update)
    shown = table("setting", "10⁹ operations", "seconds", *QUALITIES.values(), "over one at random")
    for row in sorted_rows(found):
        shown.add_row(*told_row(row))
    page().print(shown, "")
    say(f"The plots are in {write_scaling(Path(run))}")
