"""The facts of a world's scenes as labels for probes: of tokenizers (`cards.py`) and of trained models (`probe.py`)."""

from __future__ import annotations

from typing import Any

from bothways.evaluate.exam import SCALES
from bothways.vision.probe import Labels, labels_of
from bothways.worlds.world import AbstractWorld

PERIODS = {name: scale.period for name, scale in SCALES.items() if scale.kind == "hand"}  # attributes that lie on a circle
MANY_VALUES = 30  # whole numbers with more values than this are probed as numbers, not as categories
FEW = 128  # labelled pictures of the probe `few_labels`; an attribute that does not vary among them is not probed
FIT_PER_TEST = 4  # pictures on which probes are fitted, for each one on which they are scored


def labels(world: AbstractWorld, num_fit: int, num_test: int) -> tuple[dict[str, Labels], dict[str, Labels]]:
    """Labels of training and validation scenes by attribute: facts with one plain value in every scene, and for facts that
    list objects, whether any of them has this value (`objects.kind=circle`).

    The values of the test scenes are no part of how a label is coded, but for the list of classes.
    """
    scenes = [world.scene("train", index) for index in range(num_fit)]
    scenes += [world.scene("validation", index) for index in range(num_test)]
    facts = [_plain(world.facts(scene)) for scene in scenes]
    found: dict[str, Labels] = {}
    for name in sorted({name for fact in facts for name in fact}):
        values = [fact.get(name, False if "=" in name else None) for fact in facts]
        if any(len(set(part)) < 2 or None in part for part in (values[:FEW], values[:num_fit], values[num_fit:])):
            continue
        if name in PERIODS:
            found[f"{name}_angle"] = labels_of(values, PERIODS[name])
        many = all(isinstance(value, int) for value in values) and len(set(values)) > MANY_VALUES
        if many and name not in PERIODS:
            found[name] = labels_of([float(value) for value in values])
        elif not many:
            found[name] = labels_of(values)
    return {name: it[:num_fit] for name, it in found.items()}, {name: it[num_fit:] for name, it in found.items()}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int)}
    for name, value in facts.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            plain |= {f"{name}.{key}={has}": True for each in value for key, has in each.items()}
    return plain
