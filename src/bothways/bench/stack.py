"""Seeds trained as one stacked model beside the same seeds one after another, by the real trainers on the real mixture.

A round is one step of every seed, data and log included. One after another the seeds take the attention path that a run takes
by itself; a third case has them on the stack's own path, so that what the stack saves can be told from what its path costs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bothways.bench.measure import Bench, compared, in_turn, threads
from bothways.bench.train import WARMUP_STEPS, timed_recipe
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.model.encodings import Encodings, encodings_for
from bothways.model.stack import Stack
from bothways.recipes.assemble import build_model, pool_pictures, stream_of
from bothways.recipes.recipe import Recipe
from bothways.study.stack import SEEDS
from bothways.train.together import make_step
from bothways.train.trainer import Trainer

TARGET = 1.0  # as fast as one after another; more is hoped for on GPUs
TOGETHER, APART, SAME_PATH = "stacked", "one after another", "one after another, by matmul"


def bench_stack(name: str = "pico", num_seeds: int = 4, steps: int = 20, num_pictures: int = 32, num_threads: int = 0) -> Bench:
    """Samples per second of all seeds together. `num_pictures`: of each source's pool and seed, encoded before anything is
    timed. Raises: ConfigError when the recipe makes no model, or one that cannot be stacked."""
    recipe = timed_recipe(name, steps, num_pictures)
    if recipe.model.unstackable:
        raise ConfigError(f"The seeds of `{name}` cannot be trained as one because of {recipe.model.unstackable}.")
    recipes = [recipe.with_changes(dict.fromkeys(SEEDS, seed)) for seed in range(num_seeds)]
    by_matmul = [one.with_changes({"model.backbone.attention": "matmul"}) for one in recipes]
    encodings = encodings_for(recipe.model)
    with threads(num_threads), ExitStack() as opened:
        for one in recipes:
            for side in (encodings.given, encodings.learned):
                side.fill(pool_pictures(one, one.world.build()))
        apart, same_path, together = (_trainers(of, encodings, opened) for of in (recipes, by_matmul, recipes))
        stack = Stack([trainer.module for trainer in together])
        jobs = {
            TOGETHER: lambda: make_step(together, stack),
            APART: lambda: _one_by_one(apart),
            SAME_PATH: lambda: _one_by_one(same_path),
        }
        samples = sum(source.samples_per_step for source in recipe.data.sources.values())
        cases = in_turn(jobs, num_seeds * samples, steps, warmups=WARMUP_STEPS)
        shape = {"recipe": name, "seeds": num_seeds, "samples a seed": samples, "dtype": recipe.train.dtype}
        shape["device"] = str(together[0].module.nothing_text.device)
        return compared("stack", shape, cases, TOGETHER, APART, TARGET, others=[(TOGETHER, SAME_PATH)])


def _trainers(recipes: Sequence[Recipe], encodings: Encodings, opened: ExitStack) -> list[Trainer]:
    """A trainer of each recipe, in a folder that goes when `opened` is closed."""
    found, folder = [], Path(opened.enter_context(tempfile.TemporaryDirectory()))
    for index, recipe in enumerate(recipes):
        model = build_model(recipe, encodings)
        run = RunDir.create(folder / str(index), recipe.to_dict())
        found.append(Trainer(model, stream_of(recipe, recipe.world.build(), model), recipe.train, run))
        opened.enter_context(found[-1].opened())
    return found


def _one_by_one(trainers: Sequence[Trainer]) -> None:
    for trainer in trainers:
        trainer.make_step()
