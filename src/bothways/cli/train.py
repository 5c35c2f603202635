"""`bothways train`, `bothways train-tokenizer` and `bothways train-reader`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import RecipeArgument, SetOption, notice, progress, say

OutOption = Annotated[Path, typer.Option(help="Folder of the run; made if it does not exist.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out from its newest checkpoint.")]


def train(recipe: RecipeArgument, out: OutOption, resume: ResumeOption = False, changes: SetOption = ()) -> None:
    """Train a model. A run can be stopped or killed at any moment and taken up again with --resume."""
    from bothways.core.config import parse_overrides
    from bothways.recipes.recipe import load_recipe

    found = load_recipe(recipe, parse_overrides(changes), kind="model")
    found.model.head.check(found.model.learned.spec)  # said before torch is loaded
    taken = {name: source.samples_per_step for name, source in found.data.sources.items() if source.samples_per_step}
    told = ", ".join(f"{number} {name}" for name, number in taken.items())
    notice(f"{found.name}: {found.train.steps} steps of {sum(taken.values())} samples ({told or 'no source'})")
    from bothways.core.rundir import RunDir
    from bothways.model.checkpoint import name_of
    from bothways.recipes import assemble
    from bothways.recipes.examine import examine
    from bothways.recipes.sources import DRAWING, READING, trains

    skills = {"reads": trains(found, READING), "draws": trains(found, DRAWING)}

    def between(model, step: int) -> None:
        if any(skills.values()):
            examine(found, model, RunDir(out), name_of(step), generate=False, **skills)

    model, fitted = assemble.train(found, out, resume=resume, on_milestone=between, console=progress())
    number = sum(weight.numel() for weight in model.parameters())
    say(f"Trained {fitted.steps} steps, {fitted.samples} samples, {number / 1e6:.2f}M parameters in {_time(fitted.seconds)}.")
    say(f"The run is in {out}; next: bothways evaluate {out}")


def train_tokenizer(recipe: RecipeArgument, out: OutOption, resume: ResumeOption = False, changes: SetOption = ()) -> None:
    """Train a visual or a text tokenizer."""
    from bothways.core.config import parse_overrides
    from bothways.core.errors import ConfigError
    from bothways.recipes.recipe import load_recipe

    found = load_recipe(recipe, parse_overrides(changes))
    if found.kind == "model":
        raise ConfigError(f"The recipe `{recipe}` makes a model, not a tokenizer; use `bothways train`.")
    if found.kind == "reader":
        raise ConfigError(f"The recipe `{recipe}` makes a reader, not a tokenizer; use `bothways train-reader`.")
    from bothways.recipes import tokenizers

    if found.kind == "text":
        say(f"The text tokenizer is in {tokenizers.train_text_tokenizer(found, out, resume=resume)}")
        return
    steps = f"{found.train.steps} steps of {found.samples_per_step} pictures" if found.train else "all pictures at once"
    notice(f"{found.name}: {steps}")
    made = found.training.makes
    took = tokenizers.train_tokenizer(found, out, resume=resume, console=progress())
    steps = f"Trained {took.steps} steps, " if took.steps else "Looked at "
    say(f"{steps}{took.samples} pictures in {_time(took.seconds)}.")
    say(f"The weights are in {out / f'{made}.safetensors'}, their held-out scores in {out / f'{made}.json'}")


def train_reader(recipe: RecipeArgument, out: OutOption, resume: ResumeOption = False, changes: SetOption = ()) -> None:
    """Train a second reader of drawings, which checks the world's own one and decides nothing."""
    from bothways.core.config import parse_overrides
    from bothways.recipes.recipe import load_recipe

    found = load_recipe(recipe, parse_overrides(changes), kind="reader")
    from bothways.recipes import readers

    notice(f"{found.name}: {found.train.steps} steps of {found.samples_per_step} pictures, then both readers on the test split")
    took = readers.train_reader(found, out, resume=resume, console=progress())
    say(f"Trained {took.steps} steps, {took.samples} pictures in {_time(took.seconds)}.")
    say(f"The weights are in {out / 'reader.safetensors'}, what both readers read in {out / 'reader.json'}")


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
