"""The study behind a synergy card: the short ladder over any recipe, an arm a direction with exchanged names, and on request
the arms with fewer labels; and what a recipe leaves unmeasured is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bothways.core.errors import ConfigError
from bothways.data.configs import kind_of
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.recipes.sources import READING
from bothways.studies.ladder import ladder, side_of
from bothways.studies.rungs import LADDER, Direction, Side
from bothways.study.card_arms import ALONE, at_labels, swap_of
from bothways.study.study import Arm, Comparison, Study

NUM_EXAMS = 8  # along a run, the last one at its end
NUM_BETWEEN = 100  # pictures and drawings of an exam during training
NUM_SHARES = 20  # measurements of the shares of the gradient in a run
WORDS_PER_READING = 4  # reading samples to one that teaches words without a picture
_TASKS: dict[Direction, Any] = {"reading": "understanding", "drawing": "drawing"}


def synergy(
    base: str = "vq-vq",
    world: str | None = None,
    *,
    labels: Sequence[int] = (),
    changes: Mapping[str, Any] | None = None,
) -> Study:
    """The study whose results a card tells. `labels`: numbers of pictures that the skill of reading is to learn from besides
    all of the recipe's, alone and with drawing. `changes` as in `ladder`; what they set of the exams stays.

    Raises: ConfigError as `ladder`, and when a number of labels is not below the recipe's.
    """
    changes = dict(changes or {})
    moved = {"world.kind": world} if world else {}
    recipe = load_recipe(base, moved | changes, kind="model")
    changes |= {key: value for key, value in measured(recipe).items() if key not in changes}
    short = ladder(base, world, short=True, changes=changes)
    sides = [side_of(recipe, direction) for direction in LADDER]
    swaps = [arm for side in sides for arm in _swapped(side)]
    fewer = _labelled(recipe, sides[0], labels, short)
    more = {
        "name": "synergy",
        "arms": [arm.to_dict() for arm in (*short.arms, *swaps, *fewer[0])],
        "comparisons": [c.to_dict() for c in (*short.comparisons, *fewer[1])],
        "axis": [*short.axis, "world.hide", "world.made_up_names"],
        "controls": [*short.controls, *([_ON_SWAPS] if swaps else ())],
        "reproduce": f"bothways synergy {base}",
    }
    return Study.parse(short.to_dict() | more)


_ON_SWAPS = (
    "In the arms called swap one task's texts call two values by each other's names and the other task's never name them; "
    "words are taught by text alone. No comparison rests on these arms."
)


def measured(recipe: Recipe) -> dict[str, Any]:
    """Settings that a card needs and the recipe leaves off: learning curves, with drawings, and shares of the gradient."""
    steps, exam = recipe.train.steps, recipe.exam
    curves = sorted({steps * part // NUM_EXAMS for part in range(1, NUM_EXAMS)} - {0})
    wanted = {
        "train.milestones": (len(recipe.train.milestone_steps) < 2, curves),
        "train.shares_every_steps": (not recipe.train.shares_every_steps, max(1, steps // NUM_SHARES)),
        "exam.num_pictures_between": (exam.num_pictures_between < NUM_BETWEEN, min(NUM_BETWEEN, exam.num_pictures)),
        "exam.num_drawings_between": (not exam.num_drawings_between, min(NUM_BETWEEN, exam.num_drawings)),
    }
    return {key: value for key, (missing, value) in wanted.items() if missing}


def _swapped(side: Side) -> list[Arm]:
    """The arm that does both where what the skill could know of two values comes from the other task alone, under each other's
    names; none where the world has no such names."""
    other: Direction = "drawing" if side.skill == "reading" else "reading"
    exchanged = side.recipe.world.exchanged(_TASKS[other])
    if exchanged is None:
        return []
    about = f"does both; two names exchanged in {other} and hidden from {side.skill}, words taught by text alone"
    changes = {f"world.{key}": value for key, value in exchanged.items()} | _words(side)
    return [Arm(name=swap_of(side.skill), about=about, changes=changes)]


def _words(side: Side) -> dict[str, Any]:
    """A source of text alone, so that no answer is wrong for want of words; it weighs as much as the reading source that weighs
    most."""
    sources = side.own if side.skill == "reading" else side.other
    first = next(iter(sources))
    name = f"{first.partition('/')[0]}/text/words"
    pool = {key: getattr(side.recipe.data.sources[first], key) for key in ("num_pictures", "pool")}
    samples = max(1, sum(sources.values()) // WORDS_PER_READING)
    return {
        f"data.sources.{name}": {"kind": "world", "samples_per_step": samples, **pool},
        f"train.weights.{name}:text": max(side.weight(source, "text") for source in sources),
    }


def _labelled(recipe: Recipe, side: Side, labels: Sequence[int], short: Study) -> tuple[list[Arm], list[Comparison]]:
    """Reading alone and with drawing from fewer labelled pictures, and their comparisons."""
    full = num_labels(recipe)
    wrong = [num for num in labels if not 1 < num < full]
    if wrong or len(set(labels)) < len(labels):
        found = f"Found {wrong[0]} labels" if wrong else f"Found the numbers of labels {list(labels)}"
        raise ConfigError(
            f"{found}; expected different numbers, from 2 to below the {full} pictures that `{recipe.name}` reads in training."
        )
    alone = short.arm(f"reading-{ALONE}")
    primary = next(c.primary for c in short.comparisons if c.control == alone.name)
    arms, comparisons = [], []
    for num in sorted(labels):
        fewer = {f"data.sources.{name}.num_pictures": num for name in side.own}
        one, both = at_labels(num)
        arms += [
            Arm(name=one, about=f"reads {num} pictures; nothing else", changes=alone.changes | fewer, draws=False),
            Arm(name=both, about=f"does both; reads {num} pictures", changes=fewer, draws=False),
        ]
        comparisons.append(
            Comparison(
                name=f"reading-labels-{num}",
                question=f"Does reading gain from the other task at all, with {num} labelled pictures?",
                treatment=both,
                control=one,
                axis=("data.sources",),
                primary=primary,
            )
        )
    return arms, comparisons


def num_labels(recipe: Recipe) -> int:
    """Distinct pictures that a run of the recipe learns to read from."""
    taken = [one for name, one in recipe.data.sources.items() if kind_of(name) in READING and one.samples_per_step]
    seen = [(one.samples_per_step * recipe.train.steps, one.num_pictures) for one in taken]
    return max(min(samples, pool) if pool else samples for samples, pool in seen)
