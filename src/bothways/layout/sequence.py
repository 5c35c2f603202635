"""The sequence: integers that say what lies at each position, who predicts it and who may read it. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np


class Content(IntEnum):
    """What a position holds."""

    TEXT = 0  # a text token or a mark; `ids` says which
    CLEAN = 1  # an image token as it is
    HIDDEN = 2  # the place of an image token whose value is kept from the model
    NOISED = 3  # an image token with noise on it
    NOTHING_TEXT = 4  # the learned vector that stands for a dropped given text
    NOTHING_IMAGE = 5  # the same for a dropped given image


class Duty(IntEnum):
    """What a position must predict."""

    NONE = 0
    TEXT = 1
    IMAGE = 2
    MARK = 3  # what a model predicts that decides by itself to draw: the opening mark of an image, and the end of a turn right
    # behind one; never part of the text mean


@dataclass(frozen=True)
class ImageSpan:
    """Where the tokens of one image lie: positions `start` to `start + num_tokens`.

    `segment` is the index in the sample. `learn`: the tokens are those of the learned tokenizer (else of the given one), of a
    picture to be drawn or of a given one that enters as these.
    `places[i]` is the raster index of the token at `start + i`. `copy`: the clean copy of a hidden or noised image, which
    stands right behind it and holds the same tokens.
    """

    segment: int
    start: int
    num_tokens: int
    learn: bool
    places: np.ndarray
    copy: bool = False


@dataclass(frozen=True)
class Sequence:
    """Vectors of length S; one row of an x-ray each.

    ids         int64  index in the text vocabulary; -1 where no text token or mark lies
    content     int8   a `Content`
    duty        int8   a `Duty`: what this position predicts
    predicts    int64  the position predicted here (itself, where a hidden token is predicted in place); -1: none
    block       int64  who may read whom, see `rule.may_read`
    private     bool   read only within its own block
    position    int64  RoPE position: index in the document; a clean copy repeats its image's
    place       int64  raster index in the image; -1 outside images
    next_place  int64  the place of the token predicted here, where that is an image token at another position; else -1
    source      int64  the segment of the picture that is being edited, where an image token is predicted here; else -1
    drawing     bool   holds a token of a picture to be drawn (its clean copy and what is kept of it too), or predicts one
    doc         int64  document in a packed sequence
    """

    ids: np.ndarray
    content: np.ndarray
    duty: np.ndarray
    predicts: np.ndarray
    block: np.ndarray
    private: np.ndarray
    position: np.ndarray
    place: np.ndarray
    next_place: np.ndarray
    source: np.ndarray
    drawing: np.ndarray
    doc: np.ndarray
    images: tuple[ImageSpan, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def without_last(self) -> Sequence:
        """All positions but the last; an image that ends there is a token shorter."""
        n = len(self) - 1
        shorter = [replace(s, num_tokens=min(s.num_tokens, n - s.start), places=s.places[: n - s.start]) for s in self.images]
        cut = {name: getattr(self, name)[:n] for name in VECTORS}
        return Sequence(**cut, images=tuple(span for span in shorter if span.num_tokens > 0))


VECTORS = tuple(f.name for f in fields(Sequence) if f.name != "images")


def joined(sequences: Iterable[Sequence]) -> Sequence:
    """One behind the other, as they are numbered; `predicts` keeps counting within the part that it comes from."""
    parts = list(sequences)
    starts = np.cumsum([0, *map(len, parts)])
    images = [replace(s, start=s.start + int(at)) for part, at in zip(parts, starts, strict=False) for s in part.images]
    return Sequence(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in VECTORS}, images=tuple(images))
