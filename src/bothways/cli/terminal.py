"""What the commands print with: results on standard output, progress and notices on standard error."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text


class Order(StrEnum):
    """Orders in which a picture can be drawn."""

    raster = "raster"
    random = "random"


class Dtype(StrEnum):
    """What the backbone may compute its products in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a trained run.")]
RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A name from `bothways recipes`, or a YAML file.")]
SetOption = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, e.g. train.steps=100; may be repeated."),
]
StepOption = Annotated[int | None, typer.Option(min=0, metavar="N", help="Step of the checkpoint.", show_default="the newest")]
# Settings of drawings: what is not given is as in the run's own exam, which every command that has them says once.
GuidanceOption = Annotated[
    float | None, typer.Option(min=0, metavar="NUMBER", help="Above 1 pulls to what was asked.", show_default=False)
]
TemperatureOption = Annotated[
    float | None, typer.Option(min=0, metavar="NUMBER", help="0 takes the likeliest.", show_default=False)
]
DrawStepsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Several tokens a step; not after raster training.", show_default=False),
]
OrderOption = Annotated[
    Order | None, typer.Option(metavar="ORDER", help="Of a picture's tokens: raster or random.", show_default=False)
]
DtypeOption = Annotated[
    Dtype | None, typer.Option(metavar="DTYPE", help="float32, or bfloat16, which is faster.", show_default=False)
]
SamplerOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Of heads that draw in steps: ddim, heun, ...", show_default=False),
]
SamplingStepsOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Steps of the sampler for each token.", show_default=False)
]


def progress() -> Console:
    """For bars and notices; they leave standard output to results."""
    return Console(stderr=True)


def page() -> Console:
    """For tables."""
    return Console(highlight=False)


def table(*columns: str) -> Table:
    """An empty table as every command shows it: no lines, columns two blanks apart."""
    return Table(*columns, box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))


def say(line: str) -> None:
    """One result, one line, exactly as it is."""
    sys.stdout.write(line + "\n")


def notice(sentence: str) -> None:
    """Something worth knowing that is no result."""
    progress().print(Text(sentence, style="dim"), soft_wrap=True)


def complain(sentence: str) -> None:
    """Why a command could not do what it was asked."""
    progress().print(Text.assemble(("Error: ", "bold red"), sentence), soft_wrap=True)
