"""From a tokenizer recipe to a trained tokenizer and its card."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from bothways.core.disk import write_json
from bothways.core.rundir import RunDir
from bothways.data.pictures import PictureStream
from bothways.data.worlds import corpus
from bothways.layout import bpe
from bothways.recipes.cards import reconstruction, score
from bothways.recipes.folder_cards import rebuilt
from bothways.recipes.recipe import TextTokenizerRecipe, TokenizerRecipe
from bothways.train.trainer import Fitted, Trainer
from bothways.vision.objective import AbstractObjective

SCORES = {"tokenizer": score, "painter": reconstruction}  # a tokenizer's card tells of its tokens whoever paints them
NUM_MEASURED = 2048  # training pictures on which a tokenizer measures the constants of its tokens


def train_tokenizer(recipe: TokenizerRecipe, out: Path, resume: bool = False, console: Console | None = None) -> Fitted:
    """Trains in the run folder `out`, which then also holds `tokenizer.safetensors` (fp16) and its card `tokenizer.json`.

    An objective that makes a painter leaves `painter.safetensors` and `painter.json` instead.
    """
    tokenizer = recipe.tokenizer.build()  # refuse what does not fit before anything is written
    worlds = {name: config.build() for name, config in recipe.worlds.items()}
    folders = {name: config.build() for name, config in recipe.folders.items()}
    run = RunDir.create(out, recipe.to_dict(), resume=resume)
    objective = recipe.training.build(tokenizer)
    stream = PictureStream(worlds | folders, recipe.shares, recipe.samples_per_step, objective.batch, recipe.train.seed)
    fitted = Trainer(objective, stream, recipe.train, run, console=console, title=recipe.training.makes).fit()
    tokenizer.requires_grad_(False).eval()
    seen = range(max(1, NUM_MEASURED // recipe.samples_per_step))
    objective.finish([picture for step in seen for picture in stream.pictures(step)])
    publish(recipe, objective, worlds, out, fitted, folders)
    run.mark_done({"steps": fitted.steps, "seconds": round(fitted.seconds)})
    return fitted


def train_text_tokenizer(recipe: TextTokenizerRecipe, out: Path, resume: bool = False) -> Path:
    """Trains the BPE and writes `tokenizer.json` into the run folder `out`; returns its path. Takes seconds."""
    run = RunDir.create(out, recipe.to_dict(), resume=resume)
    share = -(-recipe.num_texts // len(recipe.worlds))
    texts = [text for config in recipe.worlds.values() for text in corpus(config.build(), share)]
    tokenizer = bpe.train(texts, recipe.num_entries)
    bpe.save(tokenizer, out / "tokenizer.json")
    run.mark_done({"texts": len(texts), "tokens_per_text": sum(len(tokenizer.encode(t).ids) for t in texts) / len(texts)})
    return out / "tokenizer.json"


def publish(
    recipe: TokenizerRecipe, objective: AbstractObjective, worlds: dict, out: Path, fitted: Fitted, folders: dict | None = None
) -> None:
    """Writes the weights in fp16 and, scored on what those weights do, the card beside them."""
    made = recipe.training.makes
    tokenizer = objective.publish(out / f"{made}.safetensors")
    scores = {name: SCORES[made](tokenizer, world, recipe.num_held_out) for name, world in worlds.items()}
    scores |= {name: rebuilt(tokenizer, folder, recipe.num_held_out, out / name) for name, folder in (folders or {}).items()}
    card = {
        "recipe": json.loads(recipe.model_dump_json()),
        "trained": {"steps": fitted.steps, "pictures": fitted.samples, "seconds": round(fitted.seconds)},
        "held_out": scores,
    }
    write_json(out / f"{made}.json", card)
