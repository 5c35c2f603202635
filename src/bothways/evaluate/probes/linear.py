"""Linear probes of every attribute on every layer, beside three yardsticks: the best constant answer, the same features
fitted to shuffled labels, and the same config untrained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bothways.evaluate.probes.states import States
from bothways.vision.probe import Labels, ProbeScore, linear_probe

POOLINGS = {"places": lambda states: states.flatten(1), "mean": lambda states: states.mean(1)}


def probed(trained: States, untrained: States, labels: Mapping[str, Labels], num_fit: int, side: str) -> list[dict[str, Any]]:
    """One row an attribute, stage and pooling: value, chance, skill, `shuffled` and `untrained` in the same unit, n.

    `places`: all places side by side; `mean`: their mean. The first `num_fit` items are fitted, the rest is scored.
    """
    rows = []
    for stage, states in trained.items():
        for pooling, pool in POOLINGS.items():
            real = _scores(pool(states), labels, num_fit)
            mixed = _scores(pool(states), labels, num_fit, shuffled=True)
            raw = _scores(pool(untrained[stage]), labels, num_fit)
            rows += [
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
                for name, score in real.items()
            ]
    return rows


def _scores(features: Tensor, labels: Mapping[str, Labels], num_fit: int, shuffled: bool = False) -> dict[str, ProbeScore]:
    fit = {name: it[:num_fit].shuffled() if shuffled else it[:num_fit] for name, it in labels.items()}
    return linear_probe(features[:num_fit], fit, features[num_fit:], {name: it[num_fit:] for name, it in labels.items()})
