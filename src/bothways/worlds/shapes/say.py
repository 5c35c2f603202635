"""Speaking about shapes: questions with short answers, captions, drawing requests, scenes told in words, edits.

Facts first (`facts.Censor` removes what the task may not have), then choices (what is asked or named), then wordings. Nothing
below the first step can see a hidden fact.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from bothways.core.errors import DataError, unknown
from bothways.core.randomness import rng as named_rng
from bothways.worlds.shapes import templates
from bothways.worlds.shapes.ask import QUESTIONS, SINGLE, Asker, Question
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.shapes.facts import Censor, Told
from bothways.worlds.shapes.hear import hear
from bothways.worlds.shapes.instruct import KINDS as EDITS
from bothways.worlds.shapes.instruct import Editor
from bothways.worlds.shapes.scene import ATTRIBUTES, Scene, held_out_pairs
from bothways.worlds.shapes.speech import Speech
from bothways.worlds.shapes.tell import a_part, everything, tell
from bothways.worlds.text import pick, plain
from bothways.worlds.world import Ask, Said, Task, Telling


class Speaker:
    """All texts of one world of shapes, and what answers to its questions mean.

    Raises: ConfigError when the config hides a value that does not exist.
    """

    attributes = ATTRIBUTES

    def __init__(self, config: ShapesConfig):
        self.config = config
        self._speech = config.speech or Speech()
        self._censor = Censor(config)
        self._asker = Asker(held_out_pairs(config.composition_seed))
        self._editor = Editor(config)

    def say(self, scene: Scene, task: Task, rng: np.random.Generator) -> Said:
        """Texts for one task: questions and a caption, a request, an edit, or a telling with questions about it; an exam has
        all but tellings, and an edit of each kind that the scene allows."""
        told = self._censor.told(scene, task)
        if task == "drawing":
            return Said(requests=(self._telling(templates.REQUEST_HEADS, told, rng),))
        if task == "text":
            whole = tell(templates.CAPTION_HEADS, everything(told, rng), rng)
            return Said(tellings=(whole,), questions=self._conversation(told, rng))
        if task == "understanding":
            return Said(questions=self._conversation(told, rng), captions=(self._caption(told, rng),))
        if task == "editing":
            edit = self._editor.draw(scene, told, rng)
            return Said(edits=(edit,) if edit else ())
        part = a_part(told, self._speech.mention, rng)
        return Said(
            questions=tuple(question.in_words(rng) for question in self._exam(scene).values()),
            captions=(self._caption(told, rng),),
            requests=tuple(tell(templates.REQUEST_HEADS, some, rng) for some in (everything(told, rng), part) if some),
            edits=tuple(edit for kind in EDITS if (edit := self._editor.of_kind(kind, scene, told, rng))),
        )

    def answers(self, scene: Scene) -> dict[str, str]:
        """Attribute -> canonical answer, of all that an exam asks about the scene."""
        return {attribute: question.answer for attribute, question in self._exam(scene).items()}

    def answer(self, scene: Scene, attribute: str) -> str:
        """The canonical answer to the exam's question for `attribute`.

        Raises: DataError when there is no such attribute, or nothing can be asked for it about this scene.
        """
        answers = self.answers(scene)
        if attribute not in answers:
            raise DataError(unknown("attribute that this scene of shapes is asked for:", attribute, answers))
        return answers[attribute]

    def understand(self, attribute: str, text: str) -> Any:
        """The value that an answer states, None when it is malformed or no such value exists.

        Case, surrounding blanks, a full stop and a hyphen between words do not matter; anything else around it does.
        """
        text = plain(text).removesuffix(".")
        if attribute in ("count", "count_of"):
            value = int(text) if re.fullmatch(r"[0-9]", text) else -1
            return value if value in self._censor.words["count"] else None
        possible = self._censor.words.get(attribute, ("yes", "no"))
        return text if attribute in QUESTIONS and text in possible else None

    def grade(self, attribute: str, text: str, scene: Scene) -> float:
        """1 for the right answer to the exam's question, else 0. Raises: DataError as `answer`."""
        return float(self.understand(attribute, text) == self.understand(attribute, self.answer(scene, attribute)))

    def hear(self, text: str) -> dict[str, Any]:
        """What a caption or request states."""
        return hear(text, self.config)

    @property
    def asked(self) -> tuple[str, ...]:
        """The kinds of question of this world."""
        return self.config.difficulty.asked

    def _exam(self, scene: Scene) -> dict[str, Question]:
        """One question of each kind that can be asked: which shapes it is about follows from the scene's facts alone, so that
        `answer` means the same question."""
        told = self._censor.told(scene, "exam")
        # One generator for all: an attribute left out by a dial changes which shapes the later ones are about, and no more.
        generator = named_rng(0, "shapes", "exam", told.ground, repr([sorted(one.items()) for one in told.objects]))
        found = {}
        for attribute in self.asked:
            question = self._asker.draw(attribute, told, told.known, generator)
            if question:
                found[attribute] = question
        return found

    def _conversation(self, told: Told, rng: np.random.Generator) -> tuple[Ask, ...]:
        speech = self._speech
        num_turns = 1 + sum((rng.random(speech.num_turns - 1) < speech.further_turns).tolist())
        left, free, turns = list(self.asked), told.known, []
        while left and len(turns) < num_turns:
            attribute = self._choose(left, rng)
            left.remove(attribute)
            question = self._asker.draw(attribute, told, free, rng)
            if question:
                turns.append(question.in_words(rng))
                # Nothing may be asked that an earlier turn gives away: turns have no attribute in common.
                free -= question.uses
        return tuple(turns)

    def _choose(self, left: list[str], rng: np.random.Generator) -> str:
        single, double = [a for a in left if a in SINGLE], [a for a in left if a not in SINGLE]
        # The ground is soon learned.
        single = [a for a in single if a != "ground" or rng.random() < self._speech.ground]
        wanted = double if rng.random() < self._speech.two_facts else single
        return pick(wanted or left, rng)

    def _caption(self, told: Told, rng: np.random.Generator) -> Telling:
        return self._telling(templates.CAPTION_HEADS, told, rng, pick(templates.CAPTION_PROMPTS, rng))

    def _telling(self, heads: tuple[str, ...], told: Told, rng: np.random.Generator, prompt: str = "") -> Telling:
        whole = rng.random() < self._speech.names_all
        states = {} if whole else a_part(told, self._speech.mention, rng)
        return tell(heads, states or everything(told, rng), rng, prompt)
