"""A conversation with a model that decides by itself when to draw. What `Model.chat` returns.

Every reply is generated from one sample: what was said so far and an open turn. What the model said before stands in it as
learned segments with their content, as in training, so its own pictures are read back through the tokenizer that draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bothways.core.errors import DataError
from bothways.core.sample import Image, OpenTurn, Sample, Segment, Text
from bothways.data.pixels import picture_from
from bothways.generate.engine import Engine, fill
from bothways.heads.choose import How
from bothways.model.unified import UnifiedModel

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage


@dataclass(frozen=True)
class Reply:
    """What the model answered: `parts` in order, texts as str and pictures as RGB Pillow images. `num_forgotten`: how many of
    the oldest turns had to go first, so that the rest and the longest possible reply fit the model's context."""

    parts: tuple[str | PilImage, ...]
    num_forgotten: int = 0

    @property
    def text(self) -> str:
        """Its texts, a line each; empty where it only drew."""
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def pictures(self) -> list[PilImage]:
        return [part for part in self.parts if not isinstance(part, str)]


class Chat:
    """A conversation. A turn is what somebody said together with the model's reply."""

    def __init__(self, unified: UnifiedModel, how: How, limits: OpenTurn):
        """Raises: ConfigError for a model that does not decide by itself when to draw."""
        unified.config.check_decides_to_draw()
        self._unified, self._how, self._limits = unified, how, limits
        self._turns: list[tuple[Segment, ...]] = []
        self._num_said = 0

    def say(self, text: str, image: Any = None) -> Reply:
        """The model's reply to a text, and to an image before it: a path, a Pillow image or a uint8 array, read as the images
        of questions are. Where the context is too short for all turns, the oldest are forgotten for good.

        Raises: DataError for an empty text, an unusable image, or a text that does not fit the context alone; what was said
        is then forgotten, too.
        """
        if not isinstance(text, str) or not text.strip():
            raise DataError("The text is empty; say in words what you want.")
        said = (*(() if image is None else (Image(picture_from(image)),)), Text(text))
        before = self._that_fit(said)
        prompt = self._prompt(before, said)
        [filled] = fill(self._unified, [prompt], self._how)
        reply = filled.segments[len(prompt.segments) - 1 :]
        num_forgotten = len(self._turns) - len(before)
        self._turns, self._num_said = [*before, (*said, *reply)], self._num_said + 1
        return Reply(tuple(self._shown(segment) for segment in reply if segment.content), num_forgotten)

    def forget(self) -> None:
        """Begins anew."""
        self._turns = []

    def _that_fit(self, said: tuple[Segment, ...]) -> Sequence[tuple[Segment, ...]]:
        """As many of the latest turns as the context holds before what is said now and its reply."""
        engine, first = Engine(self._unified, self._how), 0
        while first < len(self._turns):
            if engine.length(self._prompt(self._turns[first:], said)) <= self._unified.config.max_tokens:
                break
            first += 1
        return self._turns[first:]

    def _prompt(self, before: Sequence[tuple[Segment, ...]], said: tuple[Segment, ...]) -> Sample:
        segments = [segment for turn in before for segment in turn]
        return Sample(f"chat/{self._num_said}", (*segments, *said, self._limits))

    def _shown(self, segment: Segment) -> str | PilImage:
        from PIL import Image as Pil

        if isinstance(segment, Image):
            return Pil.fromarray(segment.content.pixels(self._unified.learned.spec.size_px))
        return segment.content.strip()
