"""`bothways make-data` and `bothways read`: pictures with known scenes, and scenes read from pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import complain, progress, say

LevelOption = Annotated[
    str | None,
    typer.Option(help="Difficulty, e.g. all; an unknown one is refused with the names there are.", show_default="all"),
]
WorldOption = Annotated[
    str | None, typer.Option(metavar="RECIPE", help="The world that this recipe, or a run's config.yaml, trains on.")
]


def make_data(
    world: Annotated[str, typer.Argument(metavar="WORLD", help="A world: watch or shapes.")],
    out: Annotated[Path, typer.Option(help="Folder to make; it must not hold files yet.")],
    images: Annotated[int, typer.Option(help="Number of pictures.")] = 1000,
    size: Annotated[int, typer.Option(help="Side of a picture, pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="Names the scenes and wordings.")] = 0,
    level: LevelOption = None,
    recipe: WorldOption = None,
) -> None:
    """Write pictures, conversations about them (LLaVA format) and what each shows."""
    from bothways.data import llava

    made = _world(world, level, recipe)
    with progress().status(f"rendering {images} pictures"):
        llava.make_data(made, out, images, size, seed)
    say(f"{out}: {images} pictures of {size} px in images/, conversations in samples.json, facts in scenes.jsonl")


def read(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures of one world.", show_default=False)],
    world: Annotated[str | None, typer.Option(help="Their world: watch or shapes.", show_default="watch")] = None,
    level: LevelOption = None,
    recipe: WorldOption = None,
) -> None:
    """Read what pictures show: a JSON line each, null where unreadable."""
    from bothways.core.errors import DataError
    from bothways.data.pixels import open_picture

    made, failed = _world(world, level, recipe), None
    for path in images:
        try:
            pixels = open_picture(path)
            if pixels.shape[0] != pixels.shape[1]:
                height, width, _ = pixels.shape
                raise DataError(f"{path} has {width} x {height} pixels; the reader takes squares, so crop it first.")
            say(json.dumps({"image": str(path)} | made.read(pixels).to_json()))
        except DataError as error:
            # One bad picture among many: said, counted, and the others are read.
            complain(str(error))
            failed = error
    if failed is not None:
        raise typer.Exit(failed.exit_code)


def _world(kind: str | None, level: str | None, recipe: str | None):
    from bothways.core.errors import ConfigError
    from bothways.recipes.recipe import load_recipe
    from bothways.worlds import WORLDS

    if recipe is None:
        kind = kind or "watch"
        values = {"kind": kind} | ({} if level is None else {"level": level})
        return WORLDS.load(kind).parse(values, where=f"world {kind}").build()
    if level is not None:
        raise ConfigError(f"Found --level {level} and --recipe {recipe}; the recipe has a level, so leave one of them out.")
    found = load_recipe(recipe, kind="model").world
    if kind is not None and found.kind != kind:
        raise ConfigError(f"The recipe `{recipe}` trains on the world {found.kind}, not {kind}; name that world.")
    return found.build()
