"""Fast drawing beside the slow reference, of one model: the finest sampler one token at a time, and what costs less.

The ways share guidance and temperature, and what is asked. Speed is measured in turn, as everywhere; what speed costs is
measured on a trained run: the share of drawings that are right as a whole, and its difference from the
reference on the very same requests, with the bootstrap interval over pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bothways.bench.measure import Bench, compared, in_turn, threads
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.core.sample import Sample
from bothways.evaluate.scores import read_items
from bothways.evaluate.statistics import bootstrap
from bothways.generate.engine import fill
from bothways.heads.configs import NoiseConfig
from bothways.model.store import load
from bothways.model.unified import UnifiedModel
from bothways.recipes.assemble import build_model
from bothways.recipes.examine import exam_items, examine, how_to_draw, recipe_of
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.recipes.sources import DRAWING, trains

FINEST = {"ddpm": ("ancestral", 100), "flow": ("euler", 100)}  # sampler and steps of the reference, by form of the head
STEPS_A_PICTURE = (0, 32, 16, 8, 4)  # of the curve; 0: one token a step
WHOLE = ("drawing/gate/accuracy", "drawing/all_right/accuracy")  # all that a request asks for at once; a world has one of them
TARGET = 5.0

Way = dict[str, Any]  # settings of the exam


def bench_fast(
    recipe: str | None = None,
    run: Path | None = None,
    num_requests: int = 1000,
    batch_size: int = 8,
    rounds: int = 3,
    num_threads: int = 0,
) -> Bench:
    """Images per second of every way, the recipe's own as `ours`, on the first requests of the test split.

    With a trained `run` its own recipe and weights are taken, and accuracies on `num_requests` requests; without one the
    weights are random and speed is all there is. Raises: ConfigError when the recipe's own way is the reference already, or it
    trains no drawing.
    """
    chosen = recipe_of(RunDir.open(run)) if run else load_recipe(recipe or "unifluid", kind="model")
    if not trains(chosen, DRAWING):
        raise ConfigError(f"The recipe `{chosen.name}` trains no drawing on a world, so there is no way of drawing to time.")
    ways = ways_of(chosen)
    recipes = {name: chosen.with_changes({f"exam.{key}": value for key, value in way.items()}) for name, way in ways.items()}
    reference, ours = list(recipes)[:2]
    model = load(RunDir.open(run))[0] if run else build_model(chosen)
    model.eval()
    with threads(num_threads):
        requests = _requests(chosen, batch_size)
        jobs = {name: partial(fill, model, requests, how_to_draw(of.exam)) for name, of in recipes.items()}
        cases = in_turn(jobs, batch_size, rounds, warmups=1)
        shape = {"pictures": batch_size, "tokens": model.learned.spec.num_tokens, "guidance": chosen.exam.guidance}
        found = compared("draw fast", shape, cases, ours, reference, TARGET)
    if run:
        for case, told in zip(found.cases, _accuracies(model, recipes, num_requests), strict=True):
            case["accuracy"] = told
    return found


def ways_of(recipe: Recipe) -> dict[str, Way]:
    """Name -> settings: the reference first, then the recipe's own way, then the curve of steps a picture."""
    exam, head = recipe.exam, recipe.model.head
    sampler, steps = None, None
    if isinstance(head, NoiseConfig):
        sampler, steps = head.sampler_of(exam), head.num_steps_of(exam)
    finest = FINEST[head.form] if isinstance(head, NoiseConfig) else (None, None)
    drawing = recipe.model.drawing
    most = recipe.model.learned.spec.num_tokens if drawing.masked or drawing.order != "raster" else int(not drawing.noised)
    in_steps = [number for number in STEPS_A_PICTURE if number < most]
    ways = [(*finest, 0), (sampler, steps, exam.draw_steps), *((sampler, steps, number) for number in in_steps)]
    if ways[0] == ways[1]:
        raise ConfigError(
            f"The recipe `{recipe.name}` draws one token a step and no faster, so there is nothing to compare; set "
            "exam.draw_steps, or a sampler of fewer steps."
        )
    return {_name(*way, drawing.noised): {"sampler": way[0], "sampling_steps": way[1], "draw_steps": way[2]} for way in ways}


def _name(sampler: str | None, sampling_steps: int | None, draw_steps: int, at_once: bool) -> str:
    head = f"{sampler} {sampling_steps}, " if sampler else ""
    if at_once:
        return f"{head}all tokens at once"
    return head + (f"{draw_steps} steps a picture" if draw_steps else "one token at a time")


def _asking(recipe: Recipe, num_requests: int) -> Recipe:
    """The recipe with an exam of so many requests and nothing else."""
    asked = {"num_pictures": num_requests, "num_drawings": num_requests, "num_open_drawings": 0, "num_edits": 0}
    return recipe.with_changes({f"exam.{key}": value for key, value in asked.items()})


def _requests(recipe: Recipe, num: int) -> list[Sample]:
    items = exam_items(_asking(recipe, num).exam, recipe.world.build())
    return [item.sample.prompt() for item in items if item.kind == "drawing"]


def _accuracies(model: UnifiedModel, ways: Mapping[str, Recipe], num_requests: int) -> list[dict[str, float]]:
    """Of each way: share right, and its difference from the first way's with the 95 % interval, in the order of the ways."""
    right = []
    for recipe in ways.values():
        with TemporaryDirectory() as folder:
            examine(_asking(recipe, num_requests), model, RunDir(Path(folder)), reads=False)
            items = read_items(Path(folder))
            right.append(next(items[name] for name in WHOLE if name in items))
    first, told = right[0], []
    for found in right:
        apart = bootstrap(np.asarray(found.values) - np.asarray(first.values), found.pictures)
        told.append(
            {
                "value": float(np.mean(found.values)),
                "difference": apart.value,
                "low": apart.low,
                "high": apart.high,
                "num_requests": len(found.values),
            }
        )
    return told
