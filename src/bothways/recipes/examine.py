"""An exam as a recipe sets it: items of the test split, answered by a model into a run folder, and marked.

The exam after training generates (texts greedily, drawings as the recipe says) and takes likelihoods; those at checkpoints
during training are shorter and take likelihoods, with a few drawings where the recipe asks for them. They are marked together,
with the one after training.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bothways.core.errors import DataError, RunError
from bothways.core.rundir import RunDir
from bothways.core.sample import Sample
from bothways.data.worlds import ExamItem, exam
from bothways.evaluate.exam import cut
from bothways.evaluate.harness import answer
from bothways.evaluate.mark import mark
from bothways.generate.engine import fill
from bothways.heads.choose import OF_DRAWINGS, How
from bothways.model.checkpoint import name_of
from bothways.model.store import load
from bothways.model.unified import UnifiedModel
from bothways.recipes.recipe import ExamConfig, Recipe
from bothways.recipes.sources import DRAWING, EDITING, READING, trains
from bothways.worlds.world import AbstractWorld, Split

FINAL = "final"


def evaluate_run(
    path: Path | str,
    *,
    step: int | None = None,
    split: Split = "test",
    changes: dict[str, Any] | None = None,
    console: Console | None = None,
) -> str:
    """Examines a trained run and marks its answers; returns the exam's name, e.g. `final`, `step-000400`, `composition`.

    `step`: another checkpoint than the newest. `changes`: dotted keys of the run's exam, e.g. {"num_pictures": 100}; with
    `order`, `draw_steps`, `dtype`, `sampler` or `sampling_steps` among them the exam has a name of its own (`8-steps`) and is
    about drawings alone, as nothing else would come out differently.
    Raises: RunError when there is no run, checkpoint or model; DataError when the run trains no skill that can be asked for.
    """
    run = RunDir.open(path)
    recipe = recipe_of(run, changes)
    drawn_as = _drawn_as(changes or {})
    reads, draws = trains(recipe, READING) and not drawn_as, trains(recipe, DRAWING)
    if not reads and not draws and not _edits(recipe):
        raise DataError(
            f"The run {path} was not trained to draw{'' if drawn_as else ' nor to read'}, so there is nothing to examine"
            + ("; give --num-edits to have it edit." if trains(recipe, EDITING) else ".")
        )
    model, _ = load(run, step)
    parts = ([] if step is None else [name_of(step)]) + ([] if split == "test" else [split]) + drawn_as
    name = "-".join(parts) or FINAL
    examine(recipe, model, run, name, reads=reads, draws=draws, split=split, console=console)
    return name


def _drawn_as(changes: dict[str, Any]) -> list[str]:
    """What is said of how pictures are drawn, as parts of an exam's name."""
    names = ("order", "draw_steps", "dtype", "sampler", "sampling_steps")
    order, steps, dtype, sampler, sampling_steps = (changes.get(name) for name in names)
    parts = order and f"{order}-order", steps and f"{steps}-steps", dtype, sampler
    parts = *parts, sampling_steps and f"{sampling_steps}-sampling-steps"
    return [part for part in parts if part]


def recipe_of(run: RunDir, changes: dict[str, Any] | None = None) -> Recipe:
    """The recipe that a run was trained by, its exam changed. Raises: RunError when the run holds no model."""
    values = run.config()
    if values.get("kind", "model") != "model":
        raise RunError(f"The run {run.path} holds a tokenizer and no model; give the folder of a `bothways train`.")
    recipe = Recipe.parse(values, where=str(run.config_path))
    return recipe.with_changes({f"exam.{key}": value for key, value in (changes or {}).items()})


def examine(
    recipe: Recipe,
    model: UnifiedModel,
    run: RunDir,
    name: str = FINAL,
    *,
    generate: bool = True,
    reads: bool = True,
    draws: bool = True,
    split: Split = "test",
    console: Console | None = None,
) -> dict[str, float]:
    """Answers the recipe's exam into `run.answers_dir(name)` and marks all that the run has answered so far.

    Returns seconds by kind of work: evaluate, draw (reconstructions too), read (drawings, by the world's reader).
    `generate=False`: the short exam of a checkpoint during training; it takes likelihoods, draws as much as the recipe asks for
    there, and marks nothing.
    `reads`, `draws`: whether questions and captions, and whether drawings, are asked for; edits are, of a recipe that trains
    them. The model is left in eval mode.
    Raises: DataError when there is nothing to ask, RunError when the disk refuses.
    """
    world = recipe.world.build()
    asked = {"question": reads, "caption": reads, "drawing": draws, "open_drawing": draws, "edit": _edits(recipe)}
    items = exam_items(recipe.exam, world, whole=generate, split=split)
    model.eval()
    with _progress(console) as advance:
        seconds = answer(
            model,
            world,
            [item for item in items if asked[item.kind]],
            run.answers_dir(name),
            how=how_to_answer(recipe.exam),
            how_to_draw=how_to_draw(recipe.exam),
            split=split,
            generate=generate,
            num_drawn=None if generate else recipe.exam.num_drawings_between,
            batch_size=recipe.exam.batch_size,
            fill=_watched(advance),
        )
    if not generate:
        return seconds
    with console.status("reading what was drawn, marking") if console else nullcontext():
        return _with_marking(seconds, run)


def _edits(recipe: Recipe) -> bool:
    return bool(trains(recipe, EDITING) and recipe.exam.num_edits)


def _with_marking(seconds: dict[str, float], run: RunDir) -> dict[str, float]:
    began = time.perf_counter()
    read_s = mark(run.path).read_s
    mark_s = time.perf_counter() - began - read_s
    return seconds | {"evaluate": seconds.get("evaluate", 0.0) + mark_s, "read": read_s}


def exam_items(config: ExamConfig, world: AbstractWorld, *, whole: bool = True, split: Split = "test") -> list[ExamItem]:
    """What is asked: `whole` after training, else the short exam of a checkpoint, which is a part of the whole one."""
    if whole:
        items = exam(world, split, config.num_pictures, config.seed)
        items = cut(items, config.num_pictures, config.num_drawings, config.num_open_drawings, config.num_edits)
    else:
        items = cut(exam(world, split, config.num_pictures_between, config.seed), config.num_pictures_between)
    # Captions are long and answers short: together, every batch would take as many steps as a caption.
    return sorted(items, key=lambda item: ("question", "caption", "drawing", "open_drawing", "edit").index(item.kind))


def how_to_answer(config: ExamConfig) -> How:
    """Greedy: an exam asks what the model holds for most likely."""
    return How(seed=config.seed, max_text_tokens=config.max_text_tokens)


def how_to_draw(config: ExamConfig) -> How:
    """As the exam says; `How` has the same names."""
    return How(**{name: getattr(config, name) for name in OF_DRAWINGS}, seed=config.seed)


def _watched(advance: Callable[[str, int, int], None]) -> Callable[..., list[Sample]]:
    """The engine's `fill`, telling how far it is."""

    def filled(model: UnifiedModel, samples: list[Sample], how: How, batch_size: int) -> list[Sample]:
        what = "drawing" if samples[0].learns_image else "answering"
        return fill(model, samples, how, batch_size, lambda done: advance(what, done, len(samples)))

    return filled


@contextmanager
def _progress(console: Console | None) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each kind of work: `advance(what, done, total)`."""
    if console is None:
        yield lambda what, done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("ETA"), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.advance(tasks[what], done)

        yield advance
