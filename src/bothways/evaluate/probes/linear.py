"""Linear probes of every attribute on every layer, beside three yardsticks: the best constant answer, the same features
fitted to shuffled labels, and the same config untrained.

`classification` sums them up: how many attributes a linear classifier reads off a stage, as one number with its standard error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bothways.evaluate.probes.states import States
from bothways.evaluate.statistics import estimate
from bothways.vision.probe import Labels, ProbeScore, linear_probe

POOLINGS = {"places": lambda states: states.flatten(1), "mean": lambda states: states.mean(1)}
Scores = dict[str, ProbeScore]  # by attribute
Probed = dict[tuple[str, str], tuple[Scores, Scores, Scores]]
"""(stage, pooling) -> scores of the trained model, of shuffled labels and of the untrained model."""


def probe(trained: States, untrained: States, labels: Mapping[str, Labels], num_fit: int) -> Probed:
    """Ridge probes of all attributes. `places`: all places side by side; `mean`: their mean. The first `num_fit` items are
    fitted, the rest is scored."""
    return {
        (stage, pooling): (
            _scores(pool(states), labels, num_fit),
            _scores(pool(states), labels, num_fit, shuffled=True),
            _scores(pool(untrained[stage]), labels, num_fit),
        )
        for stage, states in trained.items()
        for pooling, pool in POOLINGS.items()
    }


def by_attribute(found: Probed, side: str) -> list[dict[str, Any]]:
    """One row an attribute, stage and pooling: value, chance, skill, `shuffled` and `untrained` in the same unit, n."""
    return [
        {
            "side": side,
            "stage": stage,
            "pooling": pooling,
            "attribute": name,
            "unit": score.unit,
            "value": round(score.value, 4),
            "chance": round(score.chance, 4),
            "skill": round(score.skill, 4),
            "shuffled": round(mixed[name].value, 4),
            "untrained": round(raw[name].value, 4),
            "n": score.n,
        }
        for (stage, pooling), (real, mixed, raw) in found.items()
        for name, score in real.items()
    ]


def classification(found: Probed, side: str) -> list[dict[str, Any]]:
    """One row a stage and pooling: mean accuracy over all attributes that are categories (`value`, its standard error over
    pictures, n of them), the same of the best constant answers, of shuffled labels and of the untrained model. None where no
    attribute is a category."""
    rows = []
    for (stage, pooling), (real, mixed, raw) in found.items():
        names = [name for name, score in real.items() if score.unit == "accuracy"]
        if not names:
            continue
        value = estimate(_mean(real, names).tolist(), range(real[names[0]].n))
        chance = sum(real[name].chance for name in names) / len(names)
        rows.append(
            {
                "side": side,
                "stage": stage,
                "pooling": pooling,
                "attributes": names,
                "value": round(value.value, 4),
                "se": round(value.se, 4),
                "chance": round(chance, 4),
                "skill": round((value.value - chance) / max(1.0 - chance, 1e-12), 4),
                "shuffled": round(float(_mean(mixed, names).mean()), 4),
                "untrained": round(float(_mean(raw, names).mean()), 4),
                "n": value.num_items,
            }
        )
    return rows


def _mean(scores: Scores, names: Sequence[str]) -> Tensor:
    """Of each picture, over attributes."""
    return torch.stack([scores[name].values for name in names]).mean(0)


def _scores(features: Tensor, labels: Mapping[str, Labels], num_fit: int, shuffled: bool = False) -> Scores:
    fit = {name: it[:num_fit].shuffled() if shuffled else it[:num_fit] for name, it in labels.items()}
    return linear_probe(features[:num_fit], fit, features[num_fit:], {name: it[num_fit:] for name, it in labels.items()})
