"""Edit instructions: another weather, corner, colour, battery level or time. The edited scene comes with the words.

An edited scene belongs to a split of its own; only edits that stay in the split of the scene they begin with are made, so
training on them shows no picture of another split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bothways.worlds.text import pick
from bothways.worlds.watch.clock import in_words
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.edit_templates import EDITS, OF_THE_WEATHER
from bothways.worlds.watch.edits import changed, free_corners, is_so
from bothways.worlds.watch.facts import Facts, time_text
from bothways.worlds.watch.palette import HANDS
from bothways.worlds.watch.scene import Scene, split_of
from bothways.worlds.watch.words import Vocabulary
from bothways.worlds.world import Edit

KINDS: tuple[str, ...] = tuple(EDITS)
_TRIES = 200  # values of one kind; only times have more

Words = Mapping[str, Sequence[Any]]
"""Attribute -> the values that a text may name."""


class Editor:
    """Edits of the scenes of one world. `spoken_time`: chance of "ten past four" in place of "04:10"."""

    def __init__(self, config: WatchConfig, vocabulary: Vocabulary, parts: tuple[str, ...], spoken_time: float):
        self._config, self._vocabulary, self._parts, self._spoken_time = config, vocabulary, parts, spoken_time

    def draw(self, scene: Scene, told: Facts, words: Words, rng: np.random.Generator) -> Edit | None:
        """An edit of any kind that changes a fact in `told` into a value in `words`; None where there is none."""
        kinds = [KINDS[i] for i in rng.permutation(len(KINDS))]
        return next((edit for kind in kinds if (edit := self.of_kind(kind, scene, told, words, rng))), None)

    def of_kind(self, kind: str, scene: Scene, told: Facts, words: Words, rng: np.random.Generator) -> Edit | None:
        """The same of one kind."""
        # "Quarter to eight" names the next hour, so it is no wording where an hour or a minute is hidden.
        in_full = (len(words["hour"]), len(words["minute"])) == (12, 60)
        spoken = bool(rng.random() < self._spoken_time) and in_full
        names = self._names(kind, told, spoken, rng)
        split = split_of(scene)
        for facts in self._values(scene, names, words, rng):
            edited = changed(scene, **facts)
            if split_of(edited) == split:
                return Edit(self._text(kind, facts, spoken, rng), kind, edited)
        return None

    def _names(self, kind: str, told: Facts, spoken: bool, rng: np.random.Generator) -> tuple[str, ...]:
        """The facts that an edit of this kind changes; () where they may not be told. A spoken time leaves the second."""
        whole = bool(self._parts) and all(hand in told for hand in self._parts)
        if kind == "time":
            return () if not whole else self._parts[:2] if spoken else self._parts
        if kind == "hand":
            hands = [hand for hand in HANDS if hand in told]
            return (pick(hands, rng),) if hands and not whole else ()
        # Where one may move to follows from where the other is.
        corners = [name for name in ("weather_corner", "battery_corner") if name in self._config.difficulty.asked]
        needs = corners if kind in corners else [kind]
        return (kind,) if all(name in told for name in needs) else ()

    def _values(self, scene: Scene, names: Sequence[str], words: Words, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        """Values for the facts `names` that are not all so already, in a random order."""
        free = free_corners(scene)
        options = [[v for v in words[name] if v in free] if name.endswith("_corner") else words[name] for name in names]
        total = int(np.prod([len(some) for some in options])) if names else 0
        for at in rng.choice(total, min(total, _TRIES), replace=False) if total else ():
            places = np.unravel_index(at, [len(some) for some in options])
            facts = {name: some[i] for name, some, i in zip(names, options, places, strict=True)}
            if not all(is_so(scene, name, value) for name, value in facts.items()):
                yield facts

    def _text(self, kind: str, facts: Mapping[str, Any], spoken: bool, rng: np.random.Generator) -> str:
        wordings = EDITS[kind]
        if kind == "weather" and not self._config.made_up_names:
            wordings += OF_THE_WEATHER[facts["weather"]]
        wording = pick(wordings, rng)
        if kind == "time":
            time = in_words(facts["hour"], facts["minute"]) if spoken else time_text(dict(facts), self._parts)
            return wording.format(time=time)
        ((name, value),) = facts.items()
        word = self._vocabulary.word(name, value)
        return wording.format(**{name: word, "corner": word, "unit": name, "value": word})
