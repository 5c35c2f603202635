"""How shapes are named: noun phrases, places, and descriptions that fit one shape of a scene and no other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bothways.worlds.shapes.facts import Object, Told
from bothways.worlds.shapes.scene import OF_AN_OBJECT
from bothways.worlds.text import pick


@dataclass(frozen=True)
class Naming:
    """A description of one object, and the attributes that it gives away (`count` for "the shape", where there is one)."""

    text: str
    uses: frozenset[str]


def noun_phrase(one: Object, noun: str = "shape") -> str:
    """ "small red star"; `noun` stands in for a kind that is not told."""
    return " ".join([*(one[name] for name in ("size", "color") if name in one), one.get("kind", noun)])


def at(place: str) -> str:
    """ "at the top left", "in the middle"."""
    return f"in the {place}" if place == "middle" else f"at the {place}"


def plural(attribute: str, value: str) -> str:
    """Shapes of a kind or colour: "crosses", "red shapes"."""
    if attribute == "kind":
        return f"{value}es" if value.endswith(("s", "x")) else f"{value}s"
    return f"{value} shapes"


def naming(told: Told, which: int, free: Iterable[str], rng: np.random.Generator, noun: str = "shape") -> Naming | None:
    """A description of object `which` by attributes among `free` that no other object fits; short ones are likelier.

    None where there is none.
    """
    found = namings(told, which, free)
    if not found:
        return None
    fewest = min(map(len, found))
    # One attribute more than needed now and then, so that descriptions vary.
    names = pick([one for one in found if len(one) <= fewest + (rng.random() < 0.3)], rng)
    return _described(told.objects[which], names, noun)


def namings(told: Told, which: int, free: Iterable[str]) -> list[tuple[str, ...]]:
    """Every set of attributes among `free` whose values fit object `which` alone; the empty one, "the shape", only where
    there is no other."""
    one, free = told.objects[which], set(free)
    others = [other for index, other in enumerate(told.objects) if index != which]
    usable = [name for name in OF_AN_OBJECT if name in free and name in one]
    # By attribute, the others that fit; what fits none of them names it.
    alike = {name: {at for at, other in enumerate(others) if other.get(name) == one[name]} for name in usable}
    found = [names for names in _subsets(tuple(usable)) if not set.intersection(*(alike[name] for name in names))]
    # "The shape" says that there is one, so it needs leave to tell the number.
    return found or ([()] if not others and "count" in free else [])


@lru_cache
def _subsets(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    sizes = range(1, len(names) + 1)
    return tuple(itertools.chain.from_iterable(itertools.combinations(names, size) for size in sizes))


def _described(one: Object, names: Sequence[str], noun: str) -> Naming:
    phrase = f"the {noun_phrase({name: one[name] for name in names if name != 'place'}, noun)}"
    text = f"{phrase} {at(one['place'])}" if "place" in names else phrase
    return Naming(text, frozenset(names) or frozenset({"count"}))
