"""A sample is an ordered list of text and image segments, each given or to be learned.

Understanding, captioning, drawing, editing and text-only are patterns of the one flag `learn`; nothing in layout, model
or trainer asks which task a sample belongs to. A prompt is a sample whose learned segments are empty; generation returns
the same sample, filled. `source` is for mixtures, `hide` and reports alone.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from bothways.core.errors import DataError
from bothways.core.region import Region

Role = Literal["system", "user", "assistant"]
View = Literal["given", "learned"]
AS_BOTH: tuple[View, ...] = ("given", "learned")


class AbstractPicture(ABC):
    """A picture, or a promise of one: pixels are made or read only when somebody asks."""

    @property
    @abstractmethod
    def key(self) -> str:
        """A name that is equal exactly when the pixels are equal; encodings are cached by it."""

    @abstractmethod
    def pixels(self, size_px: int) -> np.ndarray:
        """uint8 array (size_px, size_px, 3). Raises: DataError when it cannot be read."""


@dataclass(frozen=True)
class ArrayPicture(AbstractPicture):
    """A picture held in memory: `array` is uint8 (height, width, 3), channels last; `name` serves as its key."""

    array: np.ndarray
    name: str

    @classmethod
    def named_by_content(cls, array: np.ndarray) -> ArrayPicture:
        """The picture under a name that depends on its pixels alone."""
        digest = hashlib.blake2b(np.ascontiguousarray(array), digest_size=16).hexdigest()
        return cls(array, f"{digest}/{array.shape}")

    @property
    def key(self) -> str:
        return self.name

    def pixels(self, size_px: int) -> np.ndarray:
        if set(self.array.shape[:-1]) == {size_px}:  # a picture, or a modality with another number of axes
            return self.array
        from PIL import Image as Pil

        resized = Pil.fromarray(self.array).resize((size_px, size_px), Pil.Resampling.BICUBIC)
        return np.asarray(resized)


@dataclass(frozen=True)
class Text:
    """A piece of text. `content` is None in a prompt, where the model is to write it."""

    content: str | None
    learn: bool = False
    role: Role | None = None

    @property
    def speaker(self) -> Role:
        return self.role or ("assistant" if self.learn else "user")

    @property
    def to_write(self) -> bool:
        """The model is to produce it."""
        return self.learn and self.content is None


@dataclass(frozen=True)
class Image:
    """A picture in the sequence. `content` is None in a prompt, where the model is to draw it.

    `keep`: only this part of `content` is known, and the model is to draw the rest. What is kept are the learned tokens that
    lie wholly inside. `views`: of a given picture, as whose tokens it enters: those of the tokenizer that reads, of the one
    that draws, or of one after the other; where both make the same tokens, it enters once.
    Raises: DataError for a part of nothing, or of a picture that is not to be learned; for views of a picture that is to be
    learned, or none, or one twice.
    """

    content: AbstractPicture | None
    learn: bool = False
    role: Role | None = None
    keep: Region | None = None
    views: tuple[View, ...] = ("given",)

    def __post_init__(self):
        if self.views != ("given",) and (self.learn or len(set(self.views)) != len(self.views) or not self.views):
            raise DataError(
                f"Found the views {self.views}; a given picture enters as given, learned or both, a learned one has none."
            )
        if self.keep is not None and (self.content is None or not self.learn):
            raise DataError("A part can only be kept of a picture that is there and is to be drawn (content, learn=True).")

    @property
    def speaker(self) -> Role:
        return self.role or ("assistant" if self.learn else "user")

    @property
    def to_write(self) -> bool:
        """The model is to produce it, or what is not kept of it."""
        return self.learn and (self.content is None or self.keep is not None)


@dataclass(frozen=True)
class OpenTurn:
    """The model goes on by itself, in text and pictures, until it ends its turn. In prompts alone: generation puts in its place
    the texts and images that came out.

    `max_text_tokens` of all its texts together, after which the turn is ended; `max_images`: after so many pictures it goes on
    in text alone. Raises: DataError for less than 1 text token or 0 images.
    """

    max_text_tokens: int = 64
    max_images: int = 1
    content = None
    learn = True
    to_write = True
    speaker: ClassVar[Role] = "assistant"

    def __post_init__(self):
        if self.max_text_tokens < 1 or self.max_images < 0:
            raise DataError(
                f"Found a turn of at most {self.max_text_tokens} text tokens and {self.max_images} pictures; expected at least "
                "1 and 0."
            )


Segment = Text | Image | OpenTurn


@dataclass(frozen=True)
class Sample:
    """One example, prompt or answer. `id` names its noise; `source` is e.g. `watch/vqa`."""

    id: str
    segments: tuple[Segment, ...]
    source: str = "user"

    def prompt(self) -> Sample:
        """The same sample with every learned segment emptied."""
        return replace(self, segments=tuple(_emptied(s) if s.learn else s for s in self.segments))

    @property
    def learns_image(self) -> bool:
        return any(isinstance(s, Image) and s.learn for s in self.segments)

    def edited_in(self, index: int) -> int | None:
        """The segment whose picture segment `index`, an image to be learned, is an edit of: the last given one before it that
        enters as learned tokens too. None where there is none."""
        before = enumerate(self.segments[:index])
        return max((at for at, s in before if isinstance(s, Image) and not s.learn and "learned" in s.views), default=None)

    @property
    def guided_by(self) -> frozenset[str]:
        """The kind of given segments that guidance pulls towards, by dropping them from the other branch: "text" where any is
        given, else "image".

        So the other branch of an edit still sees the picture to be edited, and guidance strengthens the instruction alone: away
        from what that picture would become without one. Dropped as well, the picture would be pulled towards too, and what the
        instruction changes is where the two pull apart. Training drops text and images apart, so it has met this branch in
        about `drop_condition` of all edits, as of all requests; the one without both is met ten times less often.
        Source: InstructPix2Pix (arXiv 2211.09800, section 3.2.1) with its picture guidance at 1.
        """
        return frozenset({"text" if any(isinstance(s, Text) and not s.learn for s in self.segments) else "image"})


def _emptied(segment: Segment) -> Segment:
    if isinstance(segment, OpenTurn):
        return segment
    return replace(segment, content=None) if isinstance(segment, Text) else replace(segment, content=None, keep=None)
