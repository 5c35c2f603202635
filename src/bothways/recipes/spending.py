"""What one run of a recipe spends on training: what it sees of every source, and the operations of every part."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bothways.model.encodings import encodings_for
from bothways.model.unified import UnifiedModel
from bothways.recipes.assemble import build_model
from bothways.recipes.flops import Work, encoding_cost, painting_cost, total, training, update
from bothways.recipes.recipe import Recipe
from bothways.recipes.seen import Seen, distinct_pictures, seen_of, whole_run
from bothways.recipes.sources import EDITING, trains


@dataclass(frozen=True)
class Encoding:
    """Work of the frozen tokenizers: `pictures` encoded, each once a tokenizer, and their operations; `flops_without_cache`:
    had every picture been encoded whenever a sample showed it."""

    pictures: int
    flops: float
    flops_without_cache: float


@dataclass(frozen=True)
class Decoding:
    """Of the last exam at most: `pictures` made of tokens, those drawn and edited and the reconstructions beside them."""

    pictures: int
    flops: float


@dataclass(frozen=True)
class Spending:
    """Of a whole run. `seen`: by source; `sources`: source -> part -> operations; `optimizer`: operations of all updates."""

    seen: dict[str, Seen]
    sources: dict[str, dict[str, Work]]
    optimizer: float
    encoding: Encoding
    decoding: Decoding

    @property
    def parts(self) -> dict[str, Work]:
        """Part -> operations over all sources; parts with nothing to do are left out."""
        names = dict.fromkeys(part for parts in self.sources.values() for part in parts)
        found = {name: sum((parts[name] for parts in self.sources.values()), Work()) for name in names}
        return {name: work for name, work in found.items() if work.total}

    @property
    def flops(self) -> float:
        """Of training: the parts', forward and backward, and the optimizer's. Apart: encoding, which arms share, and exams."""
        return total(self.parts.values()) + self.optimizer


def spending_of(recipe: Recipe, model: UnifiedModel | None = None, draws: bool = True) -> Spending:
    """`model`: the recipe's, where there is one already; else it is built without weights, on the meta device. `draws`: whether
    the last exam asks for drawings.

    Raises: ConfigError or DataError when a part or a source cannot be had.
    """
    model = model or _without_weights(recipe)
    run = whole_run(recipe, seen_of(recipe))
    return Spending(
        seen=run,
        sources={name: training(model, seen) for name, seen in run.items()},
        optimizer=update(model, recipe.train) * recipe.train.steps,
        encoding=_encoding(recipe, model, run),
        decoding=_decoding(recipe, model, draws),
    )


def _without_weights(recipe: Recipe) -> UnifiedModel:
    encodings = encodings_for(recipe.model)  # for real: they are small beside it, and their files say their shapes
    with torch.device("meta"):
        return build_model(recipe, encodings)


def _encoding(recipe: Recipe, model: UnifiedModel, run: dict[str, Seen]) -> Encoding:
    """Both sides may have the same tokenizer; a picture that both show is then encoded once. Latents are wanted of
    pictures that are to be drawn alone."""
    configs = {side: tokenizer.encodes_as for side, tokenizer in recipe.model.tokenizers.items()}
    price = {side: encoding_cost(getattr(model.encodings, side).tokenizer.encoder) for side in configs}
    once: dict[tuple[str, str], tuple[int, float]] = {}
    for side, pools in distinct_pictures(recipe, run).items():
        for pool, num in pools.items():
            key = (configs[side].digest(), pool)
            once[key] = max(once.get(key, (0, 0.0)), (num, num * price[side]))
    return Encoding(
        pictures=sum(num for num, _ in once.values()),
        flops=sum(flops for _, flops in once.values()),
        flops_without_cache=sum(
            seen.given_images * price["given"]
            + seen.learned_images * price["learned"]
            + seen.image / model.learned.spec.num_tokens * price.get("latents", 0.0)
            for seen in run.values()
        ),
    )


def _decoding(recipe: Recipe, model: UnifiedModel, draws: bool) -> Decoding:
    exam = recipe.exam
    with_truth = min(exam.num_drawings, exam.num_pictures) if draws else 0
    with_truth += min(exam.num_edits, exam.num_pictures) if trains(recipe, EDITING) else 0
    without = min(exam.num_open_drawings, exam.num_pictures) if draws else 0
    pictures = 2 * with_truth + without
    return Decoding(pictures, pictures * painting_cost(model))
