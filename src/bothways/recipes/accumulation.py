"""Error accumulation of a run: what it draws freely beside what it draws after true tokens, by position in the order of
drawing, into accumulation.json.

Three measures that spaces share: the rank of the true picture among others, what a semantic reader finds in the tokens, and
what the world's reader finds in the pixels that the run's own decoder or painter makes of them. The first two look at what the
head predicts: a tokenizer's tokens, or input embeddings on the head's scale (`model.target`), which are read out as tokens for
the third, true ones too; there the ceiling is the true tokens, painted as they are. Source of the question:
UniHetero (arXiv 2512.23512), which claims that predicting input embeddings accumulates less error than predicting the vision
encoder's output; how it measured that is not stated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.disk import write_json
from bothways.core.errors import DataError
from bothways.core.rundir import RunDir
from bothways.data.worlds import ExamItem, exam
from bothways.evaluate.probes.reader import STEPS, fit_reader, read_by_position
from bothways.evaluate.probes.retrieval import WINDOW, curve, distances, metric_of, within
from bothways.evaluate.readback import WHOLE, read_back, scored
from bothways.generate.drawn import check_drawn_in_order, drawn
from bothways.heads.choose import How
from bothways.model.store import load
from bothways.model.unified import UnifiedModel
from bothways.recipes.examine import how_to_draw, recipe_of
from bothways.recipes.labels import labels
from bothways.recipes.sources import DRAWING, trains
from bothways.vision.probe import Attentive, Labels
from bothways.worlds.world import AbstractWorld

FILE = "accumulation.json"
KINDS = ("drawing", "open_drawing")
REACHES = {"prefix": 0, "window": WINDOW}
NUM_READ = 8  # positions at which the semantic reader looks


@dataclass(frozen=True)
class _Reader:
    """The semantic reader, the labels that it learned from, and those of the pictures that it is asked about."""

    probe: Attentive
    fitted: Mapping[str, Labels]
    truth: Mapping[str, Labels]


def accumulation_of(
    path: Path | str, num: int = 256, num_fit: int = 4000, step: int | None = None, reader_steps: int = STEPS
) -> dict[str, Any]:
    """Measures a run and writes RUN/accumulation.json; returns what it holds.

    `num`: validation scenes, of which each is requested in full and, where the world has such requests, in part; their true
    pictures are the candidates of the ranking. `num_fit`: training scenes from which the semantic reader learns, in
    `reader_steps` steps.
    Raises: RunError where there is no run or checkpoint; DataError when the run was not trained to draw;
    ConfigError when what it draws has no order.
    """
    run = RunDir.open(path)
    recipe = recipe_of(run)
    if not trains(recipe, DRAWING):
        raise DataError(f"The run {run.path} was not trained to draw, so no error can accumulate in its drawings.")
    check_drawn_in_order(recipe.model)  # said before the reader learns, for minutes
    model, at = load(run, step)
    model.eval()
    world = recipe.world.build()
    items = exam(world, "validation", num, recipe.exam.seed, KINDS)
    how = how_to_draw(recipe.exam)
    tokens = model.encodings.learned.tokens([world.picture("validation", index) for index in range(num)])
    fitted, truth = labels(world, num_fit, num)
    reader = _Reader(_fitted(model, world, how, fitted, num_fit, reader_steps), fitted, truth)
    found: dict[str, Any] = {"step": at, "num": num, "num_fitted": num_fit, "num_tokens": tokens.shape[1], "window": WINDOW}
    found |= {"how": asdict(how), "head": model.head.config.kind, "learned": model.learned.spec.kind}
    found |= {"space": "tokens" if recipe.model.target is None else "embeddings", "metric": metric_of(model.head.unit)}
    found["requests"] = {
        kind: _of_kind(model, world, how, [item for item in items if item.kind == kind], tokens, reader)
        for kind in KINDS
        if any(item.kind == kind for item in items)
    }
    write_json(run.path / FILE, found)
    return found


def _fitted(
    model: UnifiedModel, world: AbstractWorld, how: How, known: Mapping[str, Labels], num_fit: int, steps: int
) -> Attentive:
    tokens = model.encodings.learned.tokens([world.picture("train", index) for index in range(num_fit)])
    return fit_reader(_vectors(model, _true(model, tokens)), known, model.config.drawn_in(how.order).order, steps)


@torch.no_grad()
def _true(model: UnifiedModel, tokens: Tensor) -> Tensor:
    """What the head should predict for these tokens."""
    return model.target.of(tokens)


@torch.no_grad()
def _vectors(model: UnifiedModel, predicted: Tensor) -> Float[Tensor, "M N D"]:
    return model.target.vectors(predicted, model.learned).float()


def _of_kind(
    model: UnifiedModel, world: AbstractWorld, how: How, items: Sequence[ExamItem], tokens: Tensor, reader: _Reader
) -> dict[str, Any]:
    """All three measures on requests of one kind. Item i of `tokens` and of the reader's truth is scene i."""
    scene = torch.tensor([int(item.picture.rsplit("/", 1)[1]) for item in items])
    truth = _true(model, tokens)
    prompts = [item.sample.prompt() for item in items]
    free, forced = drawn(model, prompts, how), drawn(model, prompts, how, truth[scene])
    ways = {"true": truth[scene], "free": free.predicted, "forced": forced.predicted}
    vectors, candidates = {way: _vectors(model, found) for way, found in ways.items()}, _vectors(model, truth)
    pictures = [item.picture for item in items]
    num_tokens = tokens.shape[1]
    rank = []
    for way in ("free", "forced"):
        apart = distances(vectors[way], free.order, candidates, metric_of(model.head.unit))
        for reach, window in REACHES.items():
            rank += curve(within(apart, window), scene, _spread(num_tokens, 64), pictures, way=way, reach=reach)
    own = {name: it[scene] for name, it in reader.truth.items()}
    read = read_by_position(
        reader.probe, reader.fitted, vectors, free.order, own, _asked(items, own), _spread(num_tokens, NUM_READ), pictures
    )
    return {"n": len(items), "rank": rank, "reader": read, "pixels": _pixels(model, world, items, ways, tokens[scene])}


def _asked(items: Sequence[ExamItem], names: Mapping[str, Any]) -> dict[str, list[int]]:
    """Attribute -> the items whose request names it. Of a set of objects only a request that names all can say that something
    is not there, so an open one asks for no such attribute."""
    found: dict[str, list[int]] = {}
    for name in names:
        fact, _, of_a_set = name.removesuffix("_angle").partition("=")
        wanted = [item.requested or {} for item in items]
        if of_a_set:
            found[name] = [at for at, item in enumerate(items) if item.kind == "drawing"]
        else:
            found[name] = [at for at, facts in enumerate(wanted) if fact in facts]
    return found


def _pixels(
    model: UnifiedModel, world: AbstractWorld, items: Sequence[ExamItem], ways: Mapping[str, Tensor], tokens: Tensor
) -> list[dict[str, Any]]:
    """One row a way and measure: what was asked for, all at once, and what the world holds for evidence. `tokens` are the true
    ones."""
    with torch.inference_mode():
        pictures = {way: model.paint(predicted) for way, predicted in ways.items()}
        ceiling = model.repaint(tokens)
    rows, kind = [], items[0].kind
    for way, drawings in pictures.items():
        found = scored(read_back(world, items, drawings, ceiling), kind)
        for name in ("asked", *WHOLE, world.primary["drawing"]):
            one = found.get(f"{kind}/{name}/accuracy")
            if one is None:
                continue
            score = one.score("")
            rows.append({"measure": name, "way": way, **{key: getattr(score, key) for key in _KEPT}})
    return rows


_KEPT = ("value", "se", "low", "high", "chance", "ceiling", "n")


def _spread(num: int, most: int) -> list[int]:
    """At most `most` positions from 1 to `num`, evenly spread, the last among them."""
    step = -(-num // most)
    return list(range(num, 0, -step))[::-1]
