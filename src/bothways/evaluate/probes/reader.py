"""The semantic reader: an attentive probe that learned on true tokens what pictures show, put before tokens that a model drew.

Tokens here are points of the space that a head predicts in: a tokenizer's, or a backbone's input embeddings. No decoder and no
painter stands between, so spaces that are painted with unequal means compare by what is said in them.
It learned on pictures of which only some tokens are there, in the order of drawing, so it reads the first n tokens of any. What
it reads from the true tokens of held-out pictures is the ceiling, the best constant answer is chance.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bothways.evaluate.statistics import estimate
from bothways.vision.probe import Attentive, Labels, fit_attentive, values

STEPS = 1500


def fit_reader(vectors: Float[Tensor, "M N D"], labels: Mapping[str, Labels], order: str, steps: int = STEPS) -> Attentive:
    """A reader of pictures whose tokens come in that order, raster or random, fitted on the vectors of true ones. It sees any
    number of tokens, from one to all, equally often."""
    num = vectors.shape[1]

    def see(rows: Int[Tensor, "B"], generator: torch.Generator) -> Bool[Tensor, "B N"]:
        count = torch.randint(1, num + 1, (len(rows), 1), generator=generator)
        rank = torch.arange(num).expand(len(rows), -1)
        if order != "raster":
            rank = torch.rand(len(rows), num, generator=generator).argsort(1)
        return rank < count

    return fit_attentive(vectors, labels, steps=steps, see=see)


def read_by_position(
    reader: Attentive,
    fitted: Mapping[str, Labels],
    ways: Mapping[str, Float[Tensor, "M N D"]],
    order: Int[Tensor, "M N"],
    truth: Mapping[str, Labels],
    asked: Mapping[str, Collection[int]],
    positions: Sequence[int],
    pictures: Sequence[str],
) -> list[dict[str, Any]]:
    """One row an attribute, way and position: value, chance and skill (0 = the best constant answer, 1 = perfect) with the
    standard error of the skill, over the items of `asked[attribute]`. `ways`: name -> vectors of the same M pictures, whose
    labels are `truth` and names `pictures`; `order[m, n]` is the place of the token drawn n-th. Attributes asked of fewer than
    two pictures are left out."""
    rows = []
    for way, vectors in ways.items():
        for position in positions:
            answers = reader(vectors, _first(order, position))
            for name, labels in truth.items():
                at = sorted(asked[name])
                if len(at) < 2:
                    continue
                mine, known = labels[torch.tensor(at)], fitted[name]
                constant = known.targets.mean(0).expand_as(mine.targets)
                chance = float(values(constant, mine, known).mean())
                room = max(1.0 - chance, 1e-12)
                value = estimate(values(answers[name][at], mine, known).tolist(), [pictures[index] for index in at])
                rows.append(
                    {
                        "attribute": name,
                        "way": way,
                        "position": position,
                        "kind": mine.kind,
                        "value": value.value,
                        "chance": chance,
                        "skill": (value.value - chance) / room,
                        "se": value.se / room,
                        "n": len(at),
                    }
                )
    return rows


def _first(order: Int[Tensor, "M N"], num: int) -> Bool[Tensor, "M N"]:
    """Where the first `num` tokens of each picture lie."""
    return torch.zeros_like(order, dtype=torch.bool).scatter(1, order[:, :num], True)
