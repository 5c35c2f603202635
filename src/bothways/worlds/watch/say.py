"""Speaking about a watch: questions with short answers, captions, drawing requests, scenes told in words, and edits.

Facts first (`facts.Censor` removes what the task may not have), then choices (which attributes, how many turns), then
wordings. Nothing below the first step can see a hidden fact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bothways.worlds.watch import templates
from bothways.worlds.watch.answers import answer_text, grade, understand, value_of
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.facts import TWO_FACTS, Censor, Facts, open_facts, spoken, time_parts
from bothways.worlds.watch.hear import hear
from bothways.worlds.watch.instruct import KINDS as EDITS
from bothways.worlds.watch.instruct import Editor
from bothways.worlds.watch.scene import Scene
from bothways.worlds.watch.speech import P1, Speech
from bothways.worlds.watch.teller import pick, tell
from bothways.worlds.watch.words import Vocabulary
from bothways.worlds.world import Ask, Edit, Said, Task, Telling

_CORNERS = ("weather_corner", "battery_corner")


class Speaker:
    """All texts of one watch world, and what answers to its questions mean.

    Raises: ConfigError when the config hides a value that does not exist.
    """

    def __init__(self, config: WatchConfig):
        self.config = config
        self.vocabulary = Vocabulary(config)
        self.parts = time_parts(config)
        self._speech: Speech = config.speech or (P1 if config.faithful_to_p1 else Speech())
        self._censor = Censor(config, self.vocabulary)
        self._editor = Editor(config, self.vocabulary, self.parts, self._speech.spoken_time)

    def say(self, scene: Scene, task: Task, rng: np.random.Generator) -> Said:
        """Texts for one task: questions and a caption, a request, an edit, or a telling with questions about it; an exam has
        all but tellings, and an edit of each kind that the scene allows."""
        facts = self._censor.told(scene, task)
        if task == "editing":
            edit = self._editor.draw(scene, facts, self._censor.words(task), rng)
            return Said(edits=(edit,) if edit else ())
        if task == "drawing":
            return Said(requests=(self._request(facts, rng),))
        if task == "text":
            telling = self._caption(facts, rng)
            told = {attribute: facts[attribute] for attribute in telling.states}
            return Said(tellings=(telling,), questions=self._conversation(told, rng))
        if task == "understanding":
            return Said(questions=self._conversation(facts, rng), captions=(self._caption(facts, rng),))
        return Said(
            questions=tuple(self._ask(attribute, facts, rng) for attribute in self._askable(facts)),
            captions=(self._caption(facts, rng),),
            requests=tuple(self._asked_to_draw(facts, named, rng) for named in (list(facts), self._some(facts, rng)) if named),
            edits=self._edits(scene, facts, rng),
        )

    def _edits(self, scene: Scene, facts: Facts, rng: np.random.Generator) -> tuple[Edit, ...]:
        """One of each kind, for an exam."""
        words = self._censor.words("exam")
        found = (self._editor.of_kind(kind, scene, facts, words, rng) for kind in EDITS)
        return tuple(edit for edit in found if edit)

    @property
    def asked(self) -> tuple[str, ...]:
        """The attributes that an exam asks for."""
        return tuple(self._askable(dict.fromkeys(spoken(self.config))))

    def answer(self, scene: Scene, attribute: str) -> str:
        """The canonical short answer. Raises: DataError for an attribute that this world does not speak of."""
        return answer_text(attribute, self._true(scene, attribute), self.vocabulary)

    def understand(self, attribute: str, text: str) -> Any:
        """The value that an answer states, None when it is malformed."""
        return understand(attribute, text, self.vocabulary, self.parts)

    def grade(self, attribute: str, text: str, scene: Scene) -> float:
        """P1's score of an answer, in [0, 1]. Raises: DataError for an attribute that this world does not speak of."""
        return grade(attribute, self.understand(attribute, text), self._true(scene, attribute))

    def hear(self, text: str) -> dict[str, Any]:
        """The attribute values that a caption or request states."""
        return hear(text, self.vocabulary)

    def _true(self, scene: Scene, attribute: str) -> Any:
        return value_of(attribute, open_facts(scene, self.config), self.parts)

    def _askable(self, facts: Facts) -> list[str]:
        """Attributes that this world's questions may ask for and whose answer follows from the facts, single ones first."""
        tiers = self.config.difficulty.tiers
        single = [a for a in facts if self._speech.single_hands or a not in self.parts]
        time = ["time"] if self.parts and all(hand in facts for hand in self.parts) else []
        double = [name for name, derived in TWO_FACTS.items() if all(need in facts for need in derived.needs)]
        if "attribute" not in tiers:
            return double
        return single + time + (double if "two_facts" in tiers and self._speech.two_facts else [])

    def _needs(self, attribute: str) -> tuple[str, ...]:
        if attribute == "time":
            return self.parts
        return TWO_FACTS[attribute].needs if attribute in TWO_FACTS else (attribute,)

    def _conversation(self, facts: Facts, rng: np.random.Generator) -> tuple[Ask, ...]:
        speech = self._speech
        num_turns = 1 + sum((rng.random(speech.num_turns - 1) < speech.further_turns).tolist())
        left, turns = self._askable(facts), []
        while left and len(turns) < num_turns:
            attribute = self._choose(left, rng)
            turns.append(self._ask(attribute, facts, rng))
            # Nothing may be asked that an earlier answer gives away: turns have no fact in common.
            left = [other for other in left if not set(self._needs(other)) & set(self._needs(attribute))]
        return tuple(turns)

    def _choose(self, askable: Sequence[str], rng: np.random.Generator) -> str:
        single = [attribute for attribute in askable if attribute not in TWO_FACTS]
        double = [attribute for attribute in askable if attribute in TWO_FACTS]
        if not single or (rng.random() < self._speech.two_facts and double):
            return pick(double, rng)
        if self._speech.where is None:
            return pick(single, rng)
        where = [attribute for attribute in single if attribute in _CORNERS]
        what = [attribute for attribute in single if attribute not in _CORNERS]
        wanted = where if rng.random() < self._speech.where else what
        return pick(wanted or single, rng)

    def _ask(self, attribute: str, facts: Facts, rng: np.random.Generator) -> Ask:
        answer = answer_text(attribute, value_of(attribute, facts, self.parts), self.vocabulary)
        tier = "two_facts" if attribute in TWO_FACTS else "attribute"
        return Ask(attribute, tier, pick(templates.QUESTIONS[attribute], rng), answer)

    def _caption(self, facts: Facts, rng: np.random.Generator) -> Telling:
        named = self._mentioned(facts, always=self.parts, rng=rng)
        prompt = pick(templates.CAPTION_PROMPTS, rng)
        return self._telling(templates.CAPTION_HEADS, templates.PLAIN_CAPTION_HEADS, facts, named, rng, prompt)

    def _request(self, facts: Facts, rng: np.random.Generator) -> Telling:
        return self._asked_to_draw(facts, self._mentioned(facts, self._always, rng), rng)

    @property
    def _always(self) -> tuple[str, ...]:
        """What every request names: the disc has to be drawn in some colour, so it says which."""
        return ("color", *self.parts) if self._speech.time_always else ("color",)

    def _asked_to_draw(self, facts: Facts, named: Sequence[str], rng: np.random.Generator) -> Telling:
        return self._telling(templates.REQUEST_HEADS, templates.PLAIN_REQUEST_HEADS, facts, named, rng)

    def _some(self, facts: Facts, rng: np.random.Generator) -> list[str]:
        """Facts for a request that leaves at least one open, and no hand of a time alone; none where it would name nothing."""
        hands = tuple(hand for hand in self.parts if hand in facts)
        free = [(name,) for name in facts if name not in (*self._always, *hands)]
        free += [hands] if hands and not set(hands) & set(self._always) else []
        if not free:
            return []
        kept = rng.permutation(len(free))[: rng.integers(len(free))]
        named = {name for at in kept for name in free[at]} | set(self._always)
        return [name for name in facts if name in named]

    def _mentioned(self, facts: Facts, always: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Which facts a text names: all, or each by chance; the hands of a time come together."""
        if rng.random() < self._speech.names_all:
            return list(facts)
        by_chance = dict(zip(facts, rng.random(len(facts)) < self._speech.mention, strict=True))
        whole_time = any(by_chance.get(hand, False) for hand in self.parts[:1])
        chosen = by_chance | dict.fromkeys(self.parts, whole_time) | dict.fromkeys(always, True)
        return [attribute for attribute in facts if chosen[attribute]]

    def _telling(
        self,
        heads: Sequence[str],
        plain_heads: Sequence[str],
        facts: Facts,
        named: Sequence[str],
        rng: np.random.Generator,
        prompt: str = "",
    ) -> Telling:
        states = {attribute: facts[attribute] for attribute in named}
        words = {attribute: self.vocabulary.word(attribute, value) for attribute, value in states.items()}
        spelled = rng.random() < self._speech.spelled_time
        text = tell(heads if "color" in states else plain_heads, states, words, () if spelled else self.parts, rng)
        return Telling(text, states, prompt)
