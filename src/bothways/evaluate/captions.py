"""Captions: what they say that is true, and what they leave out. F1 over attributes, heard by the world.

Precision counts every attribute that a caption states, against the facts of the scene; recall counts those that the
reference caption states. So saying more than the reference is no fault, as long as it is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bothways.evaluate.answers import Line
from bothways.evaluate.chance import Chance, best_caption
from bothways.evaluate.metrics import exact, f1, skill
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured

NUM_REFERENCES = 10  # references of the exam that are tried as the constant caption about objects, the longest first


def measure(paper: Paper) -> list[Measured]:
    """`captions/all/f1` and `captions/ATTRIBUTE/f1`."""
    lines = [line for line in paper.of_kind("caption") if line.answer is not None]
    if not lines:
        return []
    said = [paper.world.hear(line.answer or "") for line in lines]
    wanted = [paper.world.hear(line.reference or "") for line in lines]
    spread = paper.world.claims
    said, wanted = ([spread(one, line.scene) for one, line in zip(each, lines, strict=True)] for each in (said, wanted))
    facts = [spread(line.scene, line.scene) for line in lines]
    ids, pictures = [line.id for line in lines], [line.picture for line in lines]
    names = sorted({name for one in wanted for name in one})
    groups = {group: [name for name in names if name.partition("@")[0] == group] for group in _attributes(names)}
    said_names = sorted({name for one in said for name in one})
    found = []
    for group, chosen in [("all", names), *groups.items()]:
        among = chosen + [name for name in said_names if group in ("all", name.partition("@")[0]) and "@" in name]
        values = _f1_values(paper, said, wanted, facts, sorted(set(among)))
        stated = [{name: one[name] for name in chosen if name in one} for one in wanted]
        blind = (
            best_caption(facts, stated) if all("@" not in name for name in chosen) else _best_reference(paper, lines, chosen)
        )
        found.append(
            Measured(
                f"captions/{group}/f1",
                "F1",
                ids,
                pictures,
                values,
                chance=blind.best,
                random_guess=blind.guess,
                ceiling=1.0,
                skill=skill(float(np.mean(values)), blind.best, 1.0),
            )
        )
    return found


def _attributes(names: Sequence[str]) -> list[str]:
    return sorted({name.partition("@")[0] for name in names})


def _best_reference(paper: Paper, lines: Sequence[Line], names: Sequence[str]) -> Chance:
    """F1 of the best caption written blindly about a set of objects: the best of the exam's own references, tried on all."""
    wanted = [paper.world.hear(line.reference or "") for line in lines]
    groups = {name.partition("@")[0] for name in names}

    def of_groups(claims: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in claims.items() if name.partition("@")[0] in groups}

    facts = [of_groups(paper.world.claims(line.scene, line.scene)) for line in lines]
    called = [of_groups(paper.world.claims(one, line.scene)) for one, line in zip(wanted, lines, strict=True)]
    found = []
    for constant in sorted(wanted, key=lambda one: -len(str(one)))[:NUM_REFERENCES]:
        said = [of_groups(paper.world.claims(constant, line.scene)) for line in lines]
        right = sum(fact.get(name) == value for one, fact in zip(said, facts, strict=True) for name, value in one.items())
        recalled = sum(one.get(name) == value for one, call in zip(said, called, strict=True) for name, value in call.items())
        stated, asked = sum(map(len, said)), sum(map(len, called))
        found.append(f1(right / stated if stated else 0.0, recalled / asked if asked else 0.0))
    return Chance(max(found), float(np.mean(found)), None)


def _f1_values(
    paper: Paper, said: Sequence[dict], wanted: Sequence[dict], facts: Sequence[dict[str, Any]], names: Sequence[str]
) -> np.ndarray:
    """One value a caption, whose plain mean is the F1 of all: F1 plus the caption's linear influence on it.

    F1 is a ratio of sums, not a mean over captions; its first-order expansion gives each caption a share, and with that a
    standard error and paired differences like every other measure's.
    """

    def right(one: dict, fact: dict, among: Sequence[str]) -> int:
        return sum(1 for n in among if n in one and n in fact and exact(one[n], fact[n], paper.exam.scale(n)) == 1.0)

    recallable = [[n for n in names if n in one] for one in wanted]
    true = np.array([right(one, fact, names) for one, fact in zip(said, facts, strict=True)], dtype=float)
    stated = np.array([sum(1 for n in names if n in one) for one in said], dtype=float)
    recalled = np.array([right(*each) for each in zip(said, facts, recallable, strict=True)], dtype=float)
    asked = np.array([len(one) for one in recallable], dtype=float)
    precision = true.sum() / stated.sum() if stated.sum() else 0.0
    recall = recalled.sum() / asked.sum() if asked.sum() else 0.0
    whole = f1(precision, recall)
    if whole == 0.0:
        return np.zeros(len(said))
    by_precision = 2 * recall**2 / (precision + recall) ** 2
    by_recall = 2 * precision**2 / (precision + recall) ** 2
    influence = by_precision * (true - precision * stated) / stated.mean()
    return whole + influence + by_recall * (recalled - recall * asked) / asked.mean()
