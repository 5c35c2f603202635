"""What several studies share: the three ways of training at one setting, and the comparisons between them."""

from __future__ import annotations

from typing import Any

from bothways.studies.quickstart import DRAWING, UNDERSTANDING
from bothways.study.study import Arm, Comparison

HELD_FIXED = (
    "initial weights, drawn per parameter name from one seed",
    "own-task samples: step t of two arms holds the same own-task pictures, wordings and condition dropout",
    "number of steps, learning rate, schedule and optimizer",
    "text tokenizer, backbone and head",
    "exam: the same held-out scenes, questions and requests for every arm",
)
TWICE = (
    "A unified arm does about twice the computation of a single-task arm. Own-task samples and steps are matched, computation "
    "is not; between settings it is the same, so a gain that changes with the setting is not a gain from computation."
)


def understanding(setting: str, about: str, changes: dict[str, Any]) -> Arm:
    """The arm that reads, at one setting."""
    return Arm(name=f"understanding-{setting}", about=f"reads only; {about}", changes=UNDERSTANDING | changes, draws=False)


def drawing(setting: str, about: str, changes: dict[str, Any]) -> Arm:
    """The arm that draws."""
    return Arm(name=f"drawing-{setting}", about=f"draws only; {about}", changes=DRAWING | changes, reads=False)


def unified(setting: str, about: str, changes: dict[str, Any]) -> Arm:
    """The arm that does both."""
    return Arm(name=f"unified-{setting}", about=f"does both; {about}", changes=changes)


def three_ways(setting: str, about: str, changes: dict[str, Any]) -> tuple[Arm, Arm, Arm]:
    """Understanding, drawing and unified arms at one setting."""
    return understanding(setting, about, changes), drawing(setting, about, changes), unified(setting, about, changes)


def both_gains(setting: str, where: str, reading: str = "hands", drawing: str = "hands") -> tuple[Comparison, Comparison]:
    """What each skill gains from the other at one setting; the two arms differ in their data and in nothing else."""
    return (
        Comparison(
            name=f"reading-{setting}",
            question=f"Does learning to draw help to read {where}?",
            treatment=f"unified-{setting}",
            control=f"understanding-{setting}",
            axis=("data.sources",),
            primary=f"reading/{reading}/skill",
        ),
        Comparison(
            name=f"drawing-{setting}",
            question=f"Does learning to read help to draw {where}?",
            treatment=f"unified-{setting}",
            control=f"drawing-{setting}",
            axis=("data.sources",),
            primary=f"drawing/{drawing}/skill",
        ),
    )
