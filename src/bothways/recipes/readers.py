"""From a second reader's recipe to its weights and its card."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from safetensors.torch import save_file

from bothways.core.disk import write_json
from bothways.core.rundir import RunDir
from bothways.data.pictures import PictureStream
from bothways.evaluate.second.examination import examination
from bothways.evaluate.second.training import SecondReaderTraining
from bothways.recipes.reader_recipe import ReaderRecipe
from bothways.train.trainer import Fitted, Trainer


def train_reader(recipe: ReaderRecipe, out: Path, resume: bool = False, console: Console | None = None) -> Fitted:
    """Trains in the run folder `out`, which then also holds `reader.safetensors` (fp16) and its card `reader.json`.

    Raises: ConfigError when weights of a tokenizer are missing; RunError when the folder cannot be used.
    """
    tokenizers = {name: config.build().requires_grad_(False).eval() for name, config in recipe.tokenizers.items()}
    worlds = {name: config.build() for name, config in recipe.worlds.items()}
    run = RunDir.create(out, recipe.to_dict(), resume=resume)
    making = SecondReaderTraining(recipe.reader, tuple(tokenizers.values()), recipe.rebuilt_per_step)
    stream = PictureStream(worlds, recipe.shares, recipe.samples_per_step, making.batch, recipe.train.seed)
    fitted = Trainer(making, stream, recipe.train, run, console=console, title="reader").fit()
    weights = out / "reader.safetensors"
    save_file({name: tensor.half().contiguous() for name, tensor in making.network.state_dict().items()}, weights)
    card = {
        "recipe": json.loads(recipe.model_dump_json()),
        "trained": {"steps": fitted.steps, "pictures": fitted.samples, "seconds": round(fitted.seconds)},
        "test": {
            name: examination(recipe.reader, weights, worlds[name], tokenizers, recipe.num_held_out) for name in recipe.examined
        },
    }
    write_json(out / "reader.json", card)
    run.mark_done({"steps": fitted.steps, "seconds": round(fitted.seconds)})
    return fitted
