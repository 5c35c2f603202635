"""The rungs of the control ladder: what each takes from a recipe that reads and draws, as changes of its config.

A rung adds to a skill trained alone a little more of the other task: more data of its own, the other's pictures without its
loss, its loss without its meaning, all of it at no weight. Own-task samples stay what they are, step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bothways.core.errors import ConfigError
from bothways.recipes.recipe import Recipe

Direction = Literal["reading", "drawing"]
Changes = dict[str, Any]
_DUTIES: dict[Direction, str] = {"reading": "text", "drawing": "image"}


@dataclass(frozen=True)
class Side:
    """One skill of a recipe: the sources that teach it (name -> samples a step) and those of the other skill."""

    skill: Direction
    own: Mapping[str, int]
    other: Mapping[str, int]
    recipe: Recipe

    @property
    def duty(self) -> str:
        return _DUTIES[self.skill]

    @property
    def other_duty(self) -> str:
        return _DUTIES["drawing" if self.skill == "reading" else "reading"]

    def weight(self, source: str, duty: str) -> float:
        """Loss weight of a term in the base recipe. Raises: ConfigError where it is no fixed number."""
        term = f"{source}:{duty}"
        found = self.recipe.train.weights.get(term, 1.0)
        if not isinstance(found, float):
            raise ConfigError(
                f"The weight of `{term}` in the recipe `{self.recipe.name}` is a {found.kind}, and the rungs of a ladder share "
                "out numbers; give the term a number as weight."
            )
        return found


def _each(side: Side, key: str, value: Any) -> Changes:
    return {f"data.sources.{name}.{key}": value for name in side.other}


def _alone(side: Side) -> Changes:
    return _each(side, "samples_per_step", 0)


def _more(side: Side, name: str, **pool: Any) -> Changes:
    """Further samples of each own source beside those that stay as they are, as many as the unified arm takes of the other
    task; the two together weigh what the source weighs alone, so the loss is its mean over both."""
    # Equal samples stand for equal FLOPs; what a sample of either task costs is counted by the study's ledger.
    changes = _alone(side)
    for source, own in side.own.items():
        more = round(sum(side.other.values()) * own / sum(side.own.values()))
        if not more:
            continue
        values = side.recipe.data.sources[source].to_dict()
        changes[f"data.sources.{source}/{name}"] = values | {"samples_per_step": more} | pool
        weight = side.weight(source, side.duty)
        changes[f"train.weights.{source}:{side.duty}"] = weight * own / (own + more)
        changes[f"train.weights.{source}/{name}:{side.duty}"] = weight * more / (own + more)
    return changes


def _fresh(side: Side) -> Changes:
    return _more(side, "fresh", pool="fresh", num_pictures=0)


def _again(side: Side) -> Changes:
    return _more(side, "again")


def _reversed(side: Side) -> Changes:
    """The other task's pictures and texts, the other way round. They weigh as much as the own source that weighs most,
    shared by their numbers."""
    weight = max(side.weight(source, side.duty) for source in side.own)
    total = sum(side.other.values())
    shares = {f"train.weights.{name}:{side.duty}": weight * (number / total) for name, number in side.other.items()}
    return _each(side, "pairing", "reversed") | shares


def _unasked(side: Side) -> Changes:
    return _each(side, "pairing", "none")


def _shuffled(side: Side) -> Changes:
    return _each(side, "pairing", "shuffled")


def _weightless(side: Side) -> Changes:
    return {f"train.weights.{name}:{side.other_duty}": 0.0 for name in side.other}


def _text_alone(side: Side) -> Changes:
    """As many questions and answers as the unified arm takes of the other task, each scene told in words."""
    first = next(iter(side.other))
    name = f"{first.partition('/')[0]}/text/alone"
    pool = {key: getattr(side.recipe.data.sources[first], key) for key in ("num_pictures", "pool")}
    weight = max(side.weight(source, side.other_duty) for source in side.other)
    return _alone(side) | {
        f"data.sources.{name}": {"kind": "world", "samples_per_step": sum(side.other.values()), **pool},
        f"train.weights.{name}:text": weight,
    }


@dataclass(frozen=True)
class Rung:
    """One control of a direction. `beyond`: what the unified arm has and this one has not, after "gain from"."""

    name: str
    about: str
    beyond: str
    changes: Callable[[Side], Changes]
    short: bool = False  # in the short ladder too


_ALONE = Rung("alone", "nothing else", "the other task at all", _alone, short=True)
_EQUAL = (
    Rung("fresh", "more samples of its own, of fresh pictures", "the other task more than from fresh data of its own", _fresh),
    Rung("again", "more samples of its own, of the same pictures", "the other task more than from its own data again", _again),
)
LADDER: dict[Direction, tuple[Rung, ...]] = {
    "reading": (
        _ALONE,
        *_EQUAL,
        Rung(
            "captions",
            "the drawing pictures are read, their requests told of them",
            "drawing, beyond the pictures and words that it brings",
            _reversed,
            short=True,
        ),
        Rung("unasked", "pictures are drawn without a request", "requests, beyond drawing as such", _unasked),
        Rung(
            "shuffled",
            "pictures are drawn with another one's request",
            "requests that fit their pictures",
            _shuffled,
            short=True,
        ),
        Rung("weightless", "drawing passes through at weight 0", "the drawing loss itself", _weightless),
    ),
    "drawing": (
        _ALONE,
        *_EQUAL,
        Rung(
            "requests",
            "the reading pictures are drawn from their captions",
            "reading, beyond the pictures and words that it brings",
            _reversed,
            short=True,
        ),
        Rung(
            "text",
            "questions are answered from text alone",
            "the pictures that are read, beyond answering as such",
            _text_alone,
        ),
        Rung(
            "shuffled",
            "pictures are read with another one's answers",
            "answers that fit their pictures",
            _shuffled,
            short=True,
        ),
        Rung("weightless", "reading passes through at weight 0", "the reading loss itself", _weightless),
    ),
}
