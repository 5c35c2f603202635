"""How large a recipe's model is, and whether its parts fit each other, without its weights: on torch's meta device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bothways.backbones.backbone import Reads
from bothways.core.errors import ConfigError
from bothways.core.spec import Discrete, VisualSpec
from bothways.heads.draws import Draws
from bothways.model import freeze
from bothways.model.encodings import encodings_for
from bothways.model.unified import UnifiedModel
from bothways.recipes.assemble import build_model
from bothways.recipes.recipe import Recipe
from bothways.recipes.sources import sources_of


@dataclass(frozen=True)
class Size:
    """`parts`: part -> weights in all and trained, `all` first; `tokenizers`: side -> weights of the frozen tokenizer;
    `tokens`: source -> tokens of its first sample."""

    parts: dict[str, dict[str, int]]
    tokenizers: dict[str, int]
    tokens: dict[str, int]


def size_of(recipe: Recipe) -> Size:
    """Builds the model on the meta device and calls each part once with the shapes that it will meet. The tokenizers are built
    for real: they are small beside it, and their files say their shapes.

    Raises: ConfigError when parts do not fit each other.
    """
    encodings = encodings_for(recipe.model)
    with torch.device("meta"):
        model = build_model(recipe, encodings)
    sources = sources_of(recipe, recipe.world.build())
    tokens = {name: len(model.lay_out(source.sample(0))) for name, source in sources.items()}
    _call(model, max(tokens.values(), default=1))
    sides = {"given": model.given, "learned": model.learned}
    if model.given is model.learned:
        sides = {"given and learned": model.given}
    return Size(freeze.counts(model), {side: _weights(one) for side, one in sides.items()}, tokens)


@torch.no_grad()
def _call(model: UnifiedModel, num_tokens: int) -> None:
    rows, width = 2, model.backbone.width
    ids = torch.zeros((rows, num_tokens), dtype=torch.long, device="meta")
    hidden = model.backbone.run(model.backbone.embed(ids), Reads.within(ids, ids, ids.bool()), ids)
    _expect("the backbone", hidden, (rows, num_tokens, width))
    hidden, place = hidden[:, 0], ids[:, 0]
    draws = Draws(0, [("size",)], place, place, model.learned.spec.num_tokens)
    for side, projector in (("given", model.given_projector), ("learned", model.learned_projector)):
        vectors = torch.zeros((rows, getattr(model, side).spec.dim), device="meta")
        _expect(f"the {side} projector", projector(vectors, place), (rows, width))
    target = model.target.of(_tokens(model.learned.spec, rows))
    _expect("the head", model.head.loss(hidden, target, place, draws), (rows,))
    if model.backbone.text_logits(hidden).shape[-1] < model.wording.vocab_size:
        raise ConfigError(
            "The text output has fewer rows than the text tokenizer has entries; check model.backbone.vocab_size."
        )


def _tokens(spec: VisualSpec, count: int) -> Tensor:
    if isinstance(spec.tokens, Discrete):
        return torch.zeros(count, dtype=torch.long, device="meta")
    return torch.zeros((count, spec.dim), device="meta")


def _expect(part: str, found: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(found.shape) != shape:
        raise ConfigError(f"{part.capitalize()} gives {tuple(found.shape)} where {shape} is needed; check its config.")


def _weights(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
