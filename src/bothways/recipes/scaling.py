"""Inference-time scaling of a run: how good its drawings are against what they cost, over everything that can be turned after
training, into scaling.json.

Steps of the sampler, steps a picture, guidance and temperature, and iterations and guidance of a painter that draws, one at a
time from the run's own settings; and best of n, where the model reads its own drawings. Costs are a request's: what is drawn,
decoded and, to be chosen among, read again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bothways.core.disk import read_json, write_json
from bothways.core.errors import ConfigError, DataError, unknown
from bothways.core.rundir import RunDir
from bothways.core.sample import ArrayPicture, Image, Sample
from bothways.data.worlds import ExamItem, exam
from bothways.evaluate.choosers import kept, pools, told_apart
from bothways.evaluate.compute import Cost, cost_of
from bothways.evaluate.readback import read_back, scored, whole_of
from bothways.evaluate.scores import Measured
from bothways.evaluate.statistics import estimate
from bothways.generate.choose import candidates, described, tokens_vary
from bothways.generate.engine import Engine, fill, run
from bothways.heads.choose import How
from bothways.model.store import load
from bothways.model.unified import UnifiedModel
from bothways.recipes.examine import how_to_draw, recipe_of
from bothways.recipes.sources import DRAWING, READING, trains
from bothways.recipes.ways import OWN, WHAT, Way, temperatures_of, ways_of
from bothways.vision.painter import exchange_painter, painting_as
from bothways.worlds.world import AbstractWorld

FILE = "scaling.json"
COSTED = 8  # requests of which the cost is taken, together


@dataclass(frozen=True)
class _Asked:
    """A model, what it is asked to draw, and what its tokenizer makes of the true pictures: the ceiling."""

    model: UnifiedModel
    world: AbstractWorld
    items: list[ExamItem]
    rebuilt: list[np.ndarray]
    batch_size: int

    @property
    def prompts(self) -> list[Sample]:
        return [item.sample.prompt() for item in self.items]

    def scores(self, filled: Sequence[Sample], rounds: int = 1) -> dict[str, Measured]:
        """Of drawings, `rounds` times all requests; those after the first are called ID#ROUND."""
        named = [_in_round(item, number) for number in range(rounds) for item in self.items]
        size_px = self.model.learned.spec.size_px
        return scored(read_back(self.world, named, [picture_of(sample, size_px) for sample in filled], self.rebuilt))


def scaling_of(
    path: Path | str,
    what: Sequence[str] = WHAT,
    num: int = 200,
    most: int = 8,
    step: int | None = None,
    painter: Path | str | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
    """Measures `what` and writes it into the run's scaling.json, beside what was measured before on the same requests; returns
    the whole. Every way is written as soon as it is measured.

    `num`: requests that name everything, of validation scenes. `most`: drawings of a request to choose among, a power of two.
    `painter`: the file of one that paints in place of the run's own. `progress` is told what is measured next.
    Raises: ConfigError for what does not exist, where none of it can be turned, and for a painter of other tokens; RunError
    where there is no run or checkpoint; DataError when the run was not trained to draw.
    """
    for name in what:
        if name not in WHAT:
            raise ConfigError(unknown("thing to scale", name, WHAT))
    folder = RunDir.open(path)
    recipe = recipe_of(folder)
    if not trains(recipe, DRAWING):
        raise DataError(f"The run {folder.path} was not trained to draw, so there is nothing to spend more operations on.")
    how = how_to_draw(recipe.exam)
    model, at = load(folder, step)
    model.eval()
    if painter is not None:
        if model.painter is not None:
            raise ConfigError(f"The model of {folder.path} learned a painter of its own; leave --painter out.")
        exchange_painter(model.learned, Path(painter))
    _check_turns(model, what, how, most)
    world = recipe.world.build()
    items = exam(world, "validation", num, recipe.exam.seed, ("drawing",))
    asked = _Asked(model, world, items, _rebuilt(model, items), recipe.exam.batch_size)
    told = {"step": at, "num": len(items), "how": asdict(how), "head": model.head.config.kind}
    told |= {"learned": model.learned.spec.kind, "reads": trains(recipe, READING)}
    told |= {"painter": None if painter is None else str(painter)}
    found = _begun(folder.path / FILE, told, what)
    for way in ways_of(model, how):
        if way.axis in (OWN, *what):
            progress(f"{way.axis} {way.value:g}")
            found["rows"].append({"axis": way.axis, "value": way.value, **_of_way(asked, way)})
            write_json(folder.path / FILE, found)
    for temperature in temperatures_of(model, how) if most > 1 and "best_of" in what else ():
        progress(f"best of {most} at temperature {temperature:g}")
        rows, apart = _of_choosing(asked, replace(how, temperature=temperature), most)
        found["rows"] += rows
        found["choosing"].append(apart)
        write_json(folder.path / FILE, found)
    return found


def _check_turns(model: UnifiedModel, what: Sequence[str], how: How, most: int) -> None:
    """Raises: ConfigError when nothing of `what` can be turned of such a model."""
    axes = {way.axis for way in ways_of(model, how)} - {OWN}
    if most > 1 and temperatures_of(model, how):
        axes.add("best_of")
    if not axes & set(what):
        raise ConfigError(
            f"Nothing of {', '.join(what)} can be turned of a model with the head `{model.config.head.kind}` in the "
            f"order {model.config.order} with this painter; ask for some of {', '.join(name for name in WHAT if name in axes)}."
        )


def _begun(file: Path, told: dict[str, Any], what: Sequence[str]) -> dict[str, Any]:
    """What the file holds, if it is of the same requests and settings, without what is measured now."""
    before = read_json(file) if file.exists() else {}
    if {key: before.get(key) for key in told} != told:
        before = {}
    rows = [row for row in before.get("rows", ()) if row["axis"] not in (OWN, *what)]
    return told | {"rows": rows, "choosing": [] if "best_of" in what else before.get("choosing", [])}


def _of_way(asked: _Asked, way: Way) -> dict[str, Any]:
    with painting_as(asked.model.paints, way.painting):
        found = asked.scores(fill(asked.model, asked.prompts, way.how, asked.batch_size))
        cost = cost_of(lambda: fill(asked.model, asked.prompts[:COSTED], way.how))
    return _costs((1 / COSTED) * cost) | _told("asked", found["drawing/asked/accuracy"]) | _told("whole", whole_of(found))


def _of_choosing(asked: _Asked, how: How, most: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of every n and chooser, and how well each tells drawings of one request apart."""
    model = asked.model
    drawn = candidates(model, asked.prompts, how, most, asked.batch_size)
    by_round = [of[number].sample for number in range(most) for of in drawn]
    found = asked.scores(by_round, most)
    names = [[_in_round(item, number).id for number in range(most)] for item in asked.items]
    values = {key: pools(dict(zip(one.ids, one.values, strict=True)), names) for key, one in _kept(found).items()}
    read = np.array(described(model, by_round)).reshape(most, -1).T
    scores = {"reads them itself": -read, "world's reader": values["asked"]}
    varied = tokens_vary(model.config, how)
    if (
        varied and model.head.unit == "nats" and not model.config.drawing.in_place
    ):  # decoded in parallel they have no likelihood
        scores["own likelihood"] = -np.array([[one.nats for one in of] for of in drawn])
    draw, decode, reading = _parts(asked, how)
    rows = [_choice(asked, values, None, how, 1, "random", draw + decode)]
    for num in (2**power for power in range(1, most.bit_length())):
        drawn_all = (num if varied else 1) * draw  # one and the same drawing is painted again, not drawn
        costs = {
            "reads them itself": drawn_all + num * (decode + reading),
            "own likelihood": drawn_all + decode,
            "world's reader": drawn_all + num * decode,
        }
        rows += [_choice(asked, values, score, how, num, who, costs[who]) for who, score in scores.items()]
    apart = {who: told_apart(values["asked"], score) for who, score in scores.items()}
    told = {who: {"share": share, "pairs": pairs} for who, (share, pairs) in apart.items()}
    return rows, {"temperature": how.temperature, "told_apart": told}


def _choice(
    asked: _Asked, values: dict[str, np.ndarray], scores: np.ndarray | None, how: How, num: int, who: str, cost: Cost
) -> dict[str, Any]:
    row = {"axis": "best_of", "value": num, "temperature": how.temperature, "chooser": who, **_costs(cost)}
    pictures = [item.picture for item in asked.items]
    for key, table in values.items():
        row |= _estimated(key, kept(table, scores, num), pictures)
    if scores is not None:  # on the very same drawings
        row |= _estimated("gain", kept(values["asked"], scores, num) - kept(values["asked"], None, 1), pictures)
    return row


def _parts(asked: _Asked, how: How) -> tuple[Cost, Cost, Cost]:
    """What a drawing costs up to its tokens, from there to pixels, and to be read again."""
    model, some = asked.model, asked.prompts[:COSTED]
    with torch.inference_mode():
        engine = run(Engine(model, how), some)
        filled = engine.results()
        again = itertools.count()
        draw = cost_of(lambda: run(Engine(model, how), some))
        decode = cost_of(engine.results)
        reading = cost_of(lambda: described(model, [_renamed(sample, next(again)) for sample in filled]))
    return (1 / COSTED) * draw, (1 / COSTED) * decode, (1 / COSTED) * reading


def _renamed(sample: Sample, number: int) -> Sample:
    """With what was drawn under another name, so that no cache spares encoding it."""
    *before, drawn = sample.segments
    other = ArrayPicture(drawn.content.array, f"{drawn.content.key}/{number}")
    return replace(sample, segments=(*before, replace(drawn, content=other)))


def picture_of(sample: Sample, size_px: int) -> np.ndarray:
    """The picture that was drawn, uint8 (size_px, size_px, 3)."""
    return next(s.content.pixels(size_px) for s in reversed(sample.segments) if isinstance(s, Image) and s.learn and s.content)


def _rebuilt(model: UnifiedModel, items: Sequence[ExamItem]) -> list[np.ndarray]:
    with torch.inference_mode():
        tokens = model.encodings.learned.tokens([item.truth for item in items if item.truth is not None])
        return model.repaint(tokens)


def _in_round(item: ExamItem, number: int) -> ExamItem:
    return replace(item, id=f"{item.id}#{number}") if number else item


def _kept(found: dict[str, Measured]) -> dict[str, Measured]:
    whole = whole_of(found)
    return {"asked": found["drawing/asked/accuracy"], **({"whole": whole} if whole else {})}


def _costs(cost: Cost) -> dict[str, float]:
    return {"flops": cost.flops, "seconds": cost.seconds}


def _told(key: str, one: Measured | None) -> dict[str, Any]:
    if one is None:
        return {}
    return _estimated(key, one.values, one.pictures) | {f"{key}_chance": one.chance, f"{key}_ceiling": one.ceiling}


def _estimated(key: str, values: Sequence[float], pictures: Sequence[str]) -> dict[str, Any]:
    found = estimate(values, pictures)
    return {key: found.value, f"{key}_se": found.se, f"{key}_low": found.low, f"{key}_high": found.high}
