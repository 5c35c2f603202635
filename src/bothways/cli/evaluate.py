"""`bothways evaluate` (sit the exam) and `bothways mark` (score the answers again, from files alone)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import (
    DrawStepsOption,
    DtypeOption,
    GuidanceOption,
    OrderOption,
    RunArgument,
    SamplerOption,
    SamplingStepsOption,
    StepOption,
    TemperatureOption,
    page,
    progress,
)


class Split(StrEnum):
    """Splits that an exam may be set in."""

    test = "test"
    validation = "validation"
    composition = "composition"


def evaluate(
    run: RunArgument,
    step: StepOption = None,
    split: Annotated[Split, typer.Option(help="Scenes; composition: pairs held out of training.")] = Split.test,
    num_pictures: Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of scenes.", show_default=False)] = None,
    num_drawings: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Number of drawings.", show_default=False)
    ] = None,
    num_edits: Annotated[int | None, typer.Option(min=0, metavar="N", help="Number of edits.", show_default=False)] = None,
    guidance: GuidanceOption = None,
    temperature: TemperatureOption = None,
    draw_steps: DrawStepsOption = None,
    order: OrderOption = None,
    dtype: DtypeOption = None,
    sampler: SamplerOption = None,
    sampling_steps: SamplingStepsOption = None,
) -> None:
    """Measure both skills of a run on held-out scenes, against chance and ceiling.

    With --draw-steps, --order or --dtype only what is drawn is measured, under a name of its own: a curve is a command a point.
    Settings that are not given are those of the run's recipe.
    """
    from bothways.cli.own_scores import show_held_out
    from bothways.core.rundir import RunDir

    RunDir.open(run)  # said before torch is loaded
    from bothways.recipes import own

    asked = {
        "num_pictures": num_pictures,
        "num_drawings": num_drawings,
        "num_edits": num_edits,
        "guidance": guidance,
        "temperature": temperature,
        "draw_steps": draw_steps,
        "order": None if order is None else order.value,
        "dtype": None if dtype is None else dtype.value,
        "sampler": sampler,
        "sampling_steps": sampling_steps,
    }
    changes = {key: value for key, value in asked.items() if value is not None}
    name, sheets = own.evaluate(run, step=step, split=split.value, changes=changes, console=progress())
    if name is not None:
        _show(Path(run), name)
    for source, sheet in sheets.items():
        show_held_out(sheet, source, own.folder_of(Path(run), source), page())


def mark(run: RunArgument) -> None:
    """Score a run's saved answers again; no model is loaded."""
    from bothways.core.errors import RunError
    from bothways.evaluate.answers import exams_of
    from bothways.evaluate.mark import mark as mark_run

    path = Path(run)
    if not path.is_dir():
        raise RunError(f"There is no folder {path}; give the folder of a run that was examined.")
    mark_run(path)
    _show(path, exams_of(path)[-1])


def _show(run: Path, name: str) -> None:
    from bothways.cli.scoreboard import show
    from bothways.evaluate.scores import read_scores

    show(read_scores(run), run, name, page())
