"""The exam on one's own held-out items, source by source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from bothways.core.disk import write_atomic
from bothways.core.errors import DataError
from bothways.core.rundir import RunDir
from bothways.data.configs import ItemsConfig
from bothways.evaluate import held_out
from bothways.evaluate.harness import rebuild_with
from bothways.evaluate.scores import Sheet, dump_scores
from bothways.generate.engine import fill
from bothways.model.store import load
from bothways.model.unified import UnifiedModel
from bothways.recipes.examine import evaluate_run, how_to_answer, how_to_draw, recipe_of
from bothways.recipes.recipe import Recipe
from bothways.recipes.sources import DRAWING, EDITING, READING, own_of, trains
from bothways.worlds.world import Split


def evaluate(
    path: Path | str,
    *,
    step: int | None = None,
    split: Split = "test",
    changes: dict[str, Any] | None = None,
    console: Console | None = None,
) -> tuple[str | None, dict[str, Sheet]]:
    """Examines a trained run on its world, on its held-out items, or on both, as it was trained.

    Returns the name of the world's exam (None where the run trains on no world) and the scores of one's own sources. Arguments
    and errors as in `examine.evaluate_run`; DataError, too, when nothing is held out of a run on one's own data alone.
    """
    run = RunDir.open(path)
    recipe = recipe_of(run, changes)
    mine = {name: source for name, source in recipe.data.sources.items() if isinstance(source, ItemsConfig)}
    name = None
    if trains(recipe, READING + DRAWING + EDITING) or not mine:
        name = evaluate_run(path, step=step, split=split, changes=changes, console=console)
    sheets = examine_own(recipe, load(run, step)[0], run) if mine else {}
    if name is None and not sheets:
        raise DataError(f"No item was held out of the run {path}, so there is nothing to examine; train with held_out above 0.")
    return name, sheets


def examine_own(recipe: Recipe, model: UnifiedModel, run: RunDir) -> dict[str, Sheet]:
    """Answers and draws the held-out items of every source that is one's own; returns the scores by source.

    At most `exam.num_pictures` items a source are asked, in the order of the file; a source without any is left out.
    Raises: DataError when a file is gone; RunError when the disk refuses.
    """
    model.eval()
    sheets = {}
    for name, source in own_of(recipe, recipe.world.build(), model.lay_out).items():
        asked = [source.item(int(index)) for index in source.held_out[: recipe.exam.num_pictures]]
        if not asked:
            continue
        out = folder_of(run.path, name)
        lines = held_out.sit(
            model,
            asked,
            held_out.Frequent(source.item(int(index)) for index in source.train),
            out,
            how=how_to_answer(recipe.exam),
            how_to_draw=how_to_draw(recipe.exam),
            fill=fill,
            rebuild=rebuild_with(model),
            batch_size=recipe.exam.batch_size,
        )
        sheets[name] = held_out.score(name, lines, model.head.unit, out)
    if sheets:
        write_atomic(run.path / held_out.FOLDER / "scores.json", dump_scores(sheets))
    return sheets


def folder_of(run: Path, source: str) -> Path:
    """Where the answers of a source lie."""
    return run / held_out.FOLDER / source.replace("/", "-")
