"""Worlds as samples: sources for training, the exam for evaluation, and text for a text tokenizer.

Which picture comes when follows design 2: a source draws from a pool of distinct scenes that is chosen by seed and
repeated in epochs, shuffled by (seed, source). Everything is a function of the cursor; wordings differ between epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from bothways.core.errors import ConfigError, DataError, unknown
from bothways.core.randomness import rng, seed_of, shuffled
from bothways.core.sample import AbstractPicture, Image, Sample, Segment, Text
from bothways.data import patterns
from bothways.data.patterns import KINDS, Pairing
from bothways.worlds.world import AbstractWorld, Said, ScenePicture, Split

# Order of an endless pool: consecutive scenes are shuffled in blocks, so that two sources that share it do not show the
# same picture in the same step.
_BLOCK = 4096
_POOL_ROOM = 2**34  # scene indices that belong to one pool name
_EDIT_TRIES = 200  # scenes of the train split that allow no edit are few: none, but for a small dial with something hidden


class WorldSource:
    """Samples of one kind about the pictures of one pool; `sample(cursor)` is a pure function.

    `kind`: vqa (picture and questions given, answers learned), caption, draw (request given, picture learned), edit (picture
    and instruction given, edited picture learned) or text (no picture); behind a slash it may have a name (`vqa/again`), which
    gives it an order and wordings of its own. `pairing`: whose texts a picture comes with (`patterns.Pairing`); pictures, order
    and ids do not depend on it. `num_pictures`: scenes in the pool, 0 = a fresh one every time. Sources with the same `pool`
    name and seed see the same pictures (the smaller pool is a part of the larger), other names never share one. In a finite
    pool a picture has one edit, whatever the epoch, so the pictures that come of edits are as many and are encoded once, too;
    one that allows no edit within its split makes way for the next that does.
    Raises: ConfigError for an unknown kind, a pairing that it does not have, or a pool that is negative or too small for it.
    """

    def __init__(
        self,
        world: AbstractWorld,
        kind: str,
        split: Split = "train",
        num_pictures: int = 0,
        pool: str = "shared",
        seed: int = 0,
        pairing: Pairing = "own",
    ):
        self.source = f"{world.kind}/{kind}"
        kind = kind.partition("/")[0]
        if kind not in KINDS:
            raise ConfigError(unknown(f"kind of source of the {world.kind} world", kind, KINDS))
        if not 0 <= num_pictures < 2**31:
            raise ConfigError(f"num_pictures is {num_pictures}; expected 0 (endless) or up to 2^31 - 1 pictures.")
        self.world, self.kind, self.split, self.num_pictures, self.seed = world, kind, split, num_pictures, seed
        self.pool, self.pairing = pool, pairing
        self._task, patterns_of = KINDS[kind]
        if pairing not in patterns_of:
            raise ConfigError(unknown(f"pairing of the source {self.source}:", pairing, patterns_of))
        self._segments = patterns_of[pairing]
        if pairing == "shuffled" and num_pictures == 1:
            raise ConfigError(
                f"{self.source} has a pool of one picture, so no other one's texts are there; give it two or more."
            )
        if pairing == "reversed" and getattr(world.config, "hide", None):
            raise ConfigError(
                f"{self.source} is reversed and the world hides something from one task, which the other's texts tell; leave "
                "out `world.hide` or the pairing."
            )

    def sample(self, cursor: int) -> Sample:
        """Sample `cursor` >= 0. Its id names source, pool, picture and cursor. Raises: ConfigError when nothing can be said."""
        return self.about(self.picture_index(cursor), f"@{cursor}")

    def about(self, index: int, occasion: str = "") -> Sample:
        """A sample about picture `index` of the pool; the wording depends on `occasion`, the end of its id."""
        sample_id = self._id(index, occasion)
        return Sample(sample_id, tuple(self._segments_about(index, sample_id)), self.source)

    def _segments_about(self, index: int, name: str) -> list[Segment]:
        if self.kind == "edit":
            return self._edit_of(index, name)
        picture = self.picture(index)
        if self.pairing == "shuffled":
            other = self._other(index)
            return self._segments(self._say(other, self.picture(other), name), picture)
        return self._segments(self._say(index, picture, name), picture)

    def _other(self, index: int) -> int:
        """The picture whose texts picture `index` comes with when they are shuffled: never itself, and no two have the same.

        Pictures stand in a ring, in an order drawn by (seed, source), and each takes the texts of the next.
        """
        size = self._block
        start, place = index - index % size, index % size
        ring, at = _ring(size, self.seed, self.source, self.split, self.pool, start)
        return start + int(ring[(at[place] + 1) % size])

    @property
    def _block(self) -> int:
        """How many pictures are shuffled together."""
        return self.num_pictures or _BLOCK

    def _edit_of(self, index: int, name: str) -> list[Segment]:
        for at in range(index, index + _EDIT_TRIES):
            at %= self.num_pictures or _POOL_ROOM
            picture = self.picture(at)
            # What an edit changes is drawn with its words, so both are named by the picture where they have to come again.
            said = self._say(at, picture, self._id(at) if self.num_pictures else name)
            if said.edits:
                return self._segments(said, picture)
        raise ConfigError(
            f"None of {_EDIT_TRIES} scenes of {self.source} allows an edit within its split; hide less, or let the dial ask "
            "for more attributes."
        )

    def _say(self, index: int, picture: ScenePicture, name: str) -> Said:
        return self.world.speaking_of(index).say(picture.scene, self._task, rng(self.seed, "wording", name))

    def _id(self, index: int, occasion: str = "") -> str:
        return f"{self.source}/{self.split}/{self.pool}/{index}{occasion}"

    def picture(self, index: int) -> ScenePicture:
        """Picture `index` of the pool, from 0."""
        return self.world.picture(self.split, pool_start(self.pool, self.seed) + index)

    def pictures(self) -> Iterator[AbstractPicture]:
        """Every picture of the samples of a finite pool; none of an endless one, and none where samples are text alone."""
        for index in range(0 if self.kind == "text" else self.num_pictures):
            if self.kind == "edit":
                given, _, edited = self._edit_of(index, self._id(index))
                yield from (given.content, edited.content)
            else:
                yield self.picture(index)

    def keep(self, fits: Callable[[Sample], object]) -> None:
        """A world's samples are all as good as the first: none is left out."""

    def picture_index(self, cursor: int) -> int:
        """Which picture of the pool, from 0, is seen at a cursor."""
        block = self._block
        epoch, place = divmod(cursor, block)
        order = _order(block, self.seed, self.source, self.split, self.pool, epoch)
        return int(order[place]) + (0 if self.num_pictures else epoch * block)


@lru_cache(maxsize=64)
def _order(num: int, seed: int, source: str, split: str, pool: str, epoch: int) -> np.ndarray:
    return shuffled(num, seed, source, split, pool, epoch)


@lru_cache(maxsize=16)
def _ring(num: int, seed: int, source: str, split: str, pool: str, start: int) -> tuple[np.ndarray, np.ndarray]:
    """An order of pictures, and at which place of it each stands."""
    order = shuffled(num, seed, source, split, pool, "pairs", start)
    return order, np.argsort(order)


def pool_start(pool: str, seed: int) -> int:
    """The scene index at which a pool begins. Pools of other names lie elsewhere, whatever their seeds."""
    room = seed_of(0, "pool", pool) % 2**28
    return room * _POOL_ROOM + seed_of(seed, "pool start") % (_POOL_ROOM // 2)


@dataclass(frozen=True)
class ExamItem:
    """One thing to be answered; the learned segment of `sample` holds the reference.

    `picture` is the key of the scene's picture, `scene` its facts; `attribute` and `tier` belong to questions, `requested`
    (attribute -> value that must be shown) to drawings; an open one leaves the rest to the model. Of an edit, `attribute` is
    its kind and `requested` all facts of the edited scene. `truth`: a picture that shows what is right.
    """

    id: str
    kind: Literal["question", "caption", "drawing", "open_drawing", "edit"]
    picture: str
    sample: Sample
    scene: dict[str, Any]
    attribute: str | None = None
    tier: str | None = None
    requested: dict[str, Any] | None = None
    truth: AbstractPicture | None = None


def exam(
    world: AbstractWorld,
    split: Split = "test",
    num_pictures: int = 500,
    seed: int = 0,
    kinds: Collection[str] = ("question", "caption", "drawing", "open_drawing", "edit"),
) -> list[ExamItem]:
    """For each of the split's first `num_pictures` scenes: every question alone, a caption, a request that names all, one that
    leaves something open where the world has that, and an edit of each kind that the scene allows.

    Nothing is hidden from an exam, whatever the world hides in training. `seed` names the wordings.
    Raises: DataError when there is nothing to ask.
    """
    if num_pictures < 1:
        raise DataError(f"The exam has {num_pictures} pictures; give at least one.")
    return [item for index in range(num_pictures) for item in _items(world, split, index, seed) if item.kind in kinds]


def _items(world: AbstractWorld, split: Split, index: int, seed: int) -> Iterator[ExamItem]:
    picture = world.picture(split, index)
    said = world.say(picture.scene, "exam", rng(seed, "exam", world.kind, split, index))
    facts = world.facts(picture.scene)
    name = f"{world.kind}/exam/{split}/{index}"

    def item(kind: Any, what: str, source: str, *segments: Segment, **more: Any) -> ExamItem:
        sample = Sample(f"{name}/{what}", segments, f"{world.kind}/{source}")
        return ExamItem(sample.id, kind, picture.key, sample, facts, **({"truth": picture} | more))

    for ask in said.questions:
        turns = (Text(ask.question), Text(ask.answer, learn=True))
        yield item("question", ask.attribute, "vqa", Image(picture), *turns, attribute=ask.attribute, tier=ask.tier)
    for caption in said.captions:
        yield item("caption", "caption", "caption", *patterns.caption(Said(captions=(caption,)), picture))
    for kind, request in zip(("drawing", "open_drawing"), said.requests, strict=False):
        yield item(kind, kind, "draw", *patterns.draw(Said(requests=(request,)), picture), requested=request.states)
    for edit in said.edits:
        segments = patterns.edit(Said(edits=(edit,)), picture)
        asked = {"attribute": edit.kind, "requested": world.facts(edit.scene), "truth": segments[-1].content}
        yield item("edit", f"edit/{edit.kind}", "edit", *segments, **asked)


def corpus(world: AbstractWorld, num: int, seed: int = 0) -> Iterator[str]:
    """`num` texts of the train split for a text tokenizer, every kind in turn: questions, answers, captions, requests."""
    sources = [WorldSource(world, kind, pool="corpus", seed=seed) for kind in ("vqa", "draw", "caption")]
    made = 0
    for cursor in range(num):
        for source in sources:
            for segment in source.sample(cursor).segments:
                if isinstance(segment, Text) and segment.content is not None and made < num:
                    made += 1
                    yield segment.content
        if made >= num:
            return
