"""What a sample of a world is made of: which segments there are, in which order, and which of them are to be learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from bothways.core.errors import ConfigError
from bothways.core.sample import AS_BOTH, AbstractPicture, Image, Segment, Text
from bothways.worlds.world import Ask, Said, ScenePicture, Task

Pairing = Literal["own", "shuffled", "none", "reversed"]
"""Whose texts a picture comes with: its own, another picture's of the same pool, or none (it is drawn without a request).
`reversed`: its own, the other way round: what would be drawn is given and its request learned, what would be read is drawn
from its caption. All but the first are controls: they hold the pictures of a skill without what it teaches."""

Segments = Callable[[Said, ScenePicture], list[Segment]]


def vqa(said: Said, picture: AbstractPicture) -> list[Segment]:
    return [Image(picture), *_turns(said.questions)]


def caption(said: Said, picture: AbstractPicture) -> list[Segment]:
    told = said.captions[0]
    return [Image(picture), Text(told.prompt), Text(told.text, learn=True)]


def draw(said: Said, picture: AbstractPicture) -> list[Segment]:
    return [Text(said.requests[0].text), Image(picture, learn=True)]


def edit(said: Said, picture: ScenePicture) -> list[Segment]:
    changed = said.edits[0]
    # To be read, and to be drawn again but for what changes.
    learned = Image(picture.world.picture_of(changed.scene), learn=True)
    return [Image(picture, views=AS_BOTH), Text(changed.instruction), learned]


def text(said: Said, picture: AbstractPicture) -> list[Segment]:
    # One user turn: the scene told in words, then the first question.
    first, *rest = _turns(said.questions)
    return [Text(f"{said.tellings[0].text} {first.content}"), *rest] if said.tellings else []


def draw_unasked(said: Said, picture: AbstractPicture) -> list[Segment]:
    """An empty request: the turn is there, and says nothing."""
    return [Text(""), Image(picture, learn=True)]


def tell_request(said: Said, picture: AbstractPicture) -> list[Segment]:
    """No prompt asks for it, so that it is not mistaken for a caption."""
    return [Image(picture), Text(said.requests[0].text, learn=True)]


def draw_caption(said: Said, picture: AbstractPicture) -> list[Segment]:
    return [Text(said.captions[0].text), Image(picture, learn=True)]


def _turns(questions: tuple[Ask, ...]) -> list[Text]:
    if not questions:
        raise ConfigError("Nothing is left to ask about a scene; hide less, or let the dial ask for more attributes.")
    return [part for ask in questions for part in (Text(ask.question), Text(ask.answer, learn=True))]


KINDS: dict[str, tuple[Task, dict[Pairing, Segments]]] = {
    "vqa": ("understanding", {"own": vqa, "shuffled": vqa, "reversed": draw_caption}),
    "caption": ("understanding", {"own": caption, "shuffled": caption, "reversed": draw_caption}),
    "draw": ("drawing", {"own": draw, "shuffled": draw, "none": draw_unasked, "reversed": tell_request}),
    "edit": ("editing", {"own": edit}),
    "text": ("text", {"own": text}),
}
"""Source kind -> whose texts it uses (and what is hidden from them), and by pairing the segments it makes of them."""
