"""Questions about shapes: what can be asked of the facts that may be told, and the canonical answer.

A question is never ambiguous: a shape is named by a description that no other shape of the scene fits, and relations are
those of `scene.py`, decided by row and column. A question to be answered yes or no is asked only where the scene holds a case
of either, and a coin says which is asked for; so half of the answers are yes, whatever the scenes and the wording are.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bothways.worlds.shapes import templates
from bothways.worlds.shapes.facts import Object, Told, column, row
from bothways.worlds.shapes.words import Naming, naming, noun_phrase, plural
from bothways.worlds.text import article, pick
from bothways.worlds.world import Ask

Free = frozenset[str]


@dataclass(frozen=True)
class Question:
    """What is asked, before it is put into words. `uses`: the attributes that question and answer give away."""

    attribute: str
    slots: dict[str, str]
    answer: str
    uses: Free

    def in_words(self, rng: np.random.Generator) -> Ask:
        """One of its wordings."""
        wording = pick(templates.QUESTIONS[self.attribute], rng)
        tier = "attribute" if self.attribute in SINGLE else "two_facts"
        return Ask(self.attribute, tier, wording.format(**self.slots), self.answer)


class Asker:
    """Draws questions. `unseen`: pairs (kind, colour) that training pictures never show, so asking for one tells the answer."""

    def __init__(self, unseen: frozenset[tuple[str, str]] = frozenset()):
        self._unseen = unseen

    def draw(self, attribute: str, told: Told, free: Free, rng: np.random.Generator) -> Question | None:
        """A question for `attribute` that gives away nothing but attributes among `free`; None where there is none."""
        if attribute in ("count", "ground"):
            value = getattr(told, attribute)
            return None if value is None or attribute not in free else Question(attribute, {}, str(value), Free({attribute}))
        if attribute in SINGLE:
            return _of_one(attribute, told, free, rng)
        if attribute in ("count_of", "more"):
            return self._of_numbers(attribute, told, free, rng)
        return self._exists(told, free, rng) if attribute == "exists" else _of_two(attribute, told, free, rng)

    def _of_numbers(self, attribute: str, told: Told, free: Free, rng: np.random.Generator) -> Question | None:
        """How many of a kind or colour, or of which of two there are more."""
        names = [name for name in ("kind", "color") if name in free and len(told.words[name]) > 1]
        if not names or "count" not in free:
            return None
        name = pick(names, rng)
        numbers = Counter(one[name] for one in told.objects if name in one)
        values = [(value, numbers[value]) for value in told.words[name] if numbers[value] in told.words["count"]]
        draw = _how_many if attribute == "count_of" else _more
        return draw(name, values, rng)

    def _exists(self, told: Told, free: Free, rng: np.random.Generator) -> Question | None:
        names = [name for name in ("color", "kind") if name in free]
        shown = {tuple(one[n] for n in names) for one in told.objects if all(n in one for n in names)}
        if not names or not shown:
            return None
        # What is not there differs in one word from what is: neither answer has words of its own.
        near = [(at, *one[:at], word, *one[at + 1 :]) for one in sorted(shown) for at, n in enumerate(names)
                for word in told.words[n]]  # fmt: skip
        absent = [one for _, *one in near if tuple(one) not in shown and not self._is_unseen(names, one, shown)]
        if not absent:
            return None
        truth = rng.random() < 0.5
        wanted = pick(sorted(shown), rng) if truth else pick(absent, rng)
        word = article(noun_phrase(dict(zip(names, wanted, strict=True))))
        return Question("exists", {"a_word": word}, _yes(truth), Free(names))

    def _is_unseen(self, names: list[str], one: Sequence[str], shown: set[tuple[str, ...]]) -> bool:
        if len(names) < 2 or any((kind, color) in self._unseen for color, kind in shown):
            return False
        return (one[1], one[0]) in self._unseen


def _of_one(attribute: str, told: Told, free: Free, rng: np.random.Generator) -> Question | None:
    """One attribute of one shape, which the others describe."""
    if attribute not in free:
        return None
    noun = "one" if attribute == "kind" else "shape"
    for which in rng.permutation(len(told.objects)).tolist():
        if attribute not in told.objects[which]:
            continue
        it = naming(told, which, free - {attribute}, rng, noun)
        if it:
            return Question(attribute, {"it": it.text}, told.objects[which][attribute], it.uses | {attribute})
    return None


def _how_many(name: str, values: list[tuple[str, int]], rng: np.random.Generator) -> Question | None:
    # First the number, larger ones likelier, then one of the words of which there are so many: 0 and 1 are common enough.
    numbers = sorted({number for _, number in values})
    if not numbers:
        return None
    weights = np.array([_WEIGHTS[number] for number in numbers], float)
    number = numbers[int(rng.choice(len(numbers), p=weights / weights.sum()))]
    value = pick([value for value, count in values if count == number], rng)
    return Question("count_of", {"words": plural(name, value)}, str(number), Free({name, "count"}))


def _more(name: str, values: list[tuple[str, int]], rng: np.random.Generator) -> Question | None:
    pairs = [(one, other) for one, other in itertools.combinations(values, 2) if one[1] != other[1]]
    if not pairs:
        return None
    pair = sorted(pick(pairs, rng), key=lambda value: -value[1])
    truth = rng.random() < 0.5
    more, fewer = (value for value, _ in (pair if truth else reversed(pair)))
    slots = {"more": plural(name, more), "fewer": plural(name, fewer)}
    return Question("more", slots, _yes(truth), Free({name, "count"}))


def _of_two(attribute: str, told: Told, free: Free, rng: np.random.Generator) -> Question | None:
    """Whether something is true of two shapes, in this order."""
    about, holds = _RELATIONS[attribute]
    if about not in free:
        return None
    noun = "one" if about == "kind" else "shape"
    names: dict[int, Naming] = {}
    for which, one in enumerate(told.objects):
        if about in one and (found := naming(told, which, free - {about}, rng, noun)):
            names[which] = found
    pairs = list(itertools.permutations(names, 2))
    either = [[pair for pair in pairs if holds(*(told.objects[at] for at in pair)) == truth] for truth in (False, True)]
    if about == "place" or about == "size":
        # Of two in one column, or alike in size, neither is left of or larger than the other: only clear cases are asked.
        either[0] = [(other, one) for one, other in either[1]]
    if not all(either):
        return None
    truth = rng.random() < 0.5
    one, other = (names[at] for at in pick(either[truth], rng))
    return Question(attribute, {"one": one.text, "other": other.text}, _yes(truth), one.uses | other.uses | {about})


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


_WEIGHTS = (2, 2, 5, 8, 8, 8, 8)
_RELATIONS: dict[str, tuple[str, Callable[[Object, Object], bool]]] = {
    "larger": ("size", lambda one, other: one["size"] == "large" and other["size"] == "small"),
    "same_color": ("color", lambda one, other: one["color"] == other["color"]),
    "same_kind": ("kind", lambda one, other: one["kind"] == other["kind"]),
    "left_of": ("place", lambda one, other: column(one) < column(other)),
    "above": ("place", lambda one, other: row(one) < row(other)),
}
SINGLE: tuple[str, ...] = ("count", "ground", "kind", "color", "size", "place")
QUESTIONS: tuple[str, ...] = (*SINGLE, "count_of", "exists", "more", *_RELATIONS)
