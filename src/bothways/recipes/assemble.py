"""From a recipe to a model, a stream and a run: the one place where all parts meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bothways.core.errors import ConfigError, unknown
from bothways.core.rundir import RunDir
from bothways.core.sample import AbstractPicture
from bothways.data.source import Source
from bothways.data.stream import MixtureStream
from bothways.layout.wording import load_wording
from bothways.model import freeze
from bothways.model.encodings import Encodings, encodings_for
from bothways.model.gate import check_reached
from bothways.model.painter import TERM
from bothways.model.stack import Stack
from bothways.model.store import keep_parts
from bothways.model.unified import UnifiedModel
from bothways.recipes.recipe import Recipe
from bothways.recipes.sources import facts as facts_of
from bothways.recipes.sources import keep_files, list_bad, own, refuse_bad, sources_of
from bothways.train.config import TrainConfig
from bothways.train.interrupt import Interrupt
from bothways.train.step import step_counts
from bothways.train.together import fit_together
from bothways.train.trainer import Fitted, Trainer
from bothways.worlds.world import AbstractWorld


def pool_pictures(recipe: Recipe, world: AbstractWorld) -> list[AbstractPicture]:
    """Every picture of the finite pools: what can be rendered and encoded before training."""
    sources = sources_of(recipe, world).values()
    return list({picture.key: picture for source in sources for picture in source.pictures()}.values())


def stream_of(recipe: Recipe, world: AbstractWorld, model: UnifiedModel) -> MixtureStream:
    """The batches of a recipe, laid out and tokenized for `model`."""
    sources = sources_of(recipe, world)
    for source in sources.values():
        source.keep(model.lay_out)
    return MixtureStream(
        {name: (source, recipe.data.sources[name].samples_per_step) for name, source in sources.items()},
        lambda sample, drop, step: model.lay_out(sample, drop, step, recipe.data.seed),
        model.attach,
        recipe.data,
        recipe.train.micro_batches,
    )


def build_model(recipe: Recipe, encodings: Encodings | None = None) -> UnifiedModel:
    """The untrained model of a recipe. Raises: ConfigError when parts do not fit each other."""
    return UnifiedModel(recipe.model, load_wording(recipe.model.text), encodings)


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    encodings: Encodings | None = None,
    on_milestone: Callable[[UnifiedModel, int], None] | None = None,
    console: Console | None = None,
    title: str | None = None,
) -> tuple[UnifiedModel, Fitted]:
    """Trains the recipe's model in the run folder `out`. Raises: BothwaysError of all kinds; see `Trainer.fit`."""
    trainer = _begun(recipe, out, resume, encodings, on_milestone, console=console, title=title or recipe.name)
    return trainer.module, _done(trainer, trainer.fit())


def train_together(
    recipes: Sequence[Recipe],
    outs: Sequence[Path],
    encodings: Encodings | None = None,
    on_milestones: Sequence[Callable[[UnifiedModel, int], None]] | None = None,
) -> list[tuple[UnifiedModel, Fitted]]:
    """Trains recipes that differ in their seeds alone as one stacked model, or goes on with it where their folders hold runs.
    `on_milestones`: one for each.

    Raises: BothwaysError of all kinds; ConfigError when the recipes differ in more, or have a part that cannot be stacked.
    """
    interrupt, trainers = Interrupt(), []
    encodings = encodings or encodings_for(recipes[0].model)
    for recipe, out, milestone in zip(recipes, outs, on_milestones or [None] * len(outs), strict=True):
        resume = RunDir(out).config_path.exists()
        trainers.append(_begun(recipe, out, resume, encodings, milestone, interrupt=interrupt))
    stack = Stack([trainer.module for trainer in trainers])
    fitted = fit_together(trainers, stack, interrupt)
    return [(trainer.module, _done(trainer, own)) for trainer, own in zip(trainers, fitted, strict=True)]


def _begun(
    recipe: Recipe,
    out: Path,
    resume: bool,
    encodings: Encodings | None,
    on_milestone: Callable[[UnifiedModel, int], None] | None,
    **more: Any,
) -> Trainer:
    """The trainer of a recipe, its run folder made."""
    model = build_model(recipe, encodings)  # refuse what does not fit before anything is written
    config = settings_of(recipe)
    stream = stream_of(recipe, recipe.world.build(), model)
    sources = {name: source for name, (source, _) in stream.sources.items()}
    refuse_bad(sources, out)
    batches = stream.batches(0)  # what cannot be rendered, worded, laid out or encoded, likewise; the tokens are kept
    check_reached(recipe.model, step_counts(batches))
    for batch in batches:
        if batch.learned_tokens is not None:
            recipe.model.check_can_draw()
            model.head.check_targets(model.target.of(batch.learned_tokens))
    facts = {"parameters": freeze.counts(model), "data": facts_of(sources)}
    run = RunDir.create(out, recipe.to_dict(), resume=resume, facts=facts)
    keep_parts(run, recipe.model, model.wording)
    keep_files(sources, run.path)
    list_bad(sources, run.path)
    _tell(sources, more.get("console"))
    milestone = None if on_milestone is None else partial(on_milestone, model)
    return Trainer(model, stream, config, run, on_milestone=milestone, **more)


def _done(trainer: Trainer, fitted: Fitted) -> Fitted:
    trainer.folder.mark_done({"steps": fitted.steps, "seconds": round(fitted.seconds, 1), "samples": fitted.samples})
    return fitted


def _tell(sources: Mapping[str, Source], console: Console | None) -> None:
    """One's own data in a sentence a source, so that nothing is left out in silence."""
    for name, source in own(sources).items() if console else ():
        bad = f", {len(source.bad)} bad (bad_items.jsonl)" if source.bad else ""
        told = f"{name}: {len(source.train)} items to train on, {len(source.held_out)} held out{bad}."
        for sentence in (told, *source.items.notices):
            console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def settings_of(recipe: Recipe) -> TrainConfig:
    """The trainer's settings, with the loss weights of those sources alone that this arm takes samples from.

    Raises: ConfigError for a weight of a source that does not exist.
    """
    kinds = ["text", "image", "mark", *([TERM] if recipe.model.painter else [])]
    terms = [f"{name}:{kind}" for name in recipe.data.sources for kind in kinds]
    for term in recipe.train.weights:
        if term not in terms:
            raise ConfigError(unknown("term in train.weights:", term, terms))
    taken = {name for name, source in recipe.data.sources.items() if source.samples_per_step}
    weights = {term: weight for term, weight in recipe.train.weights.items() if term.rpartition(":")[0] in taken}
    return TrainConfig.parse({**recipe.train.to_dict(), "weights": weights})
