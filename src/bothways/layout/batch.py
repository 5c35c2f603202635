"""The sequence as tensors: rows padded to one length, and where each image lies. Of this room only this file and alike.py
know torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bothways.core.errors import DataError
from bothways.core.sample import AbstractPicture, Sample
from bothways.layout.sequence import Content, Duty, ImageSpan, Sequence

PADDING_DOC = -1
# Vector -> the value at padded positions. Padding has its own doc and block 0: it reads itself, and nobody reads it.
PADDED = {
    "ids": -1,
    "content": 0,
    "duty": 0,
    "predicts": -1,
    "block": 0,
    "private": False,
    "position": 0,
    "place": -1,
    "next_place": -1,
    "source": -1,
    "drawing": False,
    "doc": PADDING_DOC,
}


@dataclass
class Batch:
    """B sequences as tensors (B, S); the vectors are those of `Sequence` (int64; `private` and `drawing` are bool).

    `ids` is -1 wherever no text token lies, padding included; `predicts` counts within the row. `images` lists every span
    as (row, span, picture); spans start within the padded row. A learned image with a clean copy has two spans and one
    picture. `picture[b, s]` is the row of `given_tokens` (or of `learned_tokens` where `drawn[b, s]`) that the image token
    at (b, s) belongs to, -1 elsewhere; so its value is `tokens[picture, place]`. `source[b, s]` is the row of `edited_tokens`
    that holds the picture being edited (in the sequence it is a segment); `edited` are these pictures. `latents` are what a
    painter in the model draws of the `targets`. `counts`: positions with a duty, by "source:text", "source:image" and
    "source:mark", and with latents pictures, by "source:painter"; `sources` and `sample_ids` name the rows. `share` in [0, 1)
    sets how much noise noised images have; None: drawn for each. `lists`: what `at` gives, where it is
    known beforehand.
    """

    ids: Tensor
    content: Tensor
    duty: Tensor
    predicts: Tensor
    block: Tensor
    private: Tensor
    position: Tensor
    place: Tensor
    next_place: Tensor
    source: Tensor
    drawing: Tensor
    doc: Tensor
    picture: Tensor
    drawn: Tensor
    images: list[tuple[int, ImageSpan, AbstractPicture | None]]
    edited: list[AbstractPicture]
    sources: list[str]
    sample_ids: list[str]
    counts: dict[str, int]
    given_tokens: Any = None
    learned_tokens: Any = None
    edited_tokens: Any = None
    latents: Any = None
    share: float | None = None
    lists: dict[str, Tensor] | None = None

    def __len__(self) -> int:
        return self.ids.shape[0]

    @property
    def num_samples(self) -> int:
        """B."""
        return len(self)

    @property
    def is_image(self) -> Tensor:
        """bool (B, S): True at image tokens."""
        return self.place >= 0

    @property
    def is_padding(self) -> Tensor:
        """bool (B, S)."""
        return self.doc == PADDING_DOC

    def at(self, what: str) -> Tensor:
        """Where in the flattened rows `what` of LISTS lies: Long "N", ascending."""
        return LISTS[what](self).flatten().nonzero()[:, 0] if self.lists is None else self.lists[what]

    def pictures(self, learn: bool) -> list[AbstractPicture | None]:
        """The pictures in the order of the rows of `learned_tokens` (`learn`) or `given_tokens`; None: still to be drawn. A
        given one that enters as both is in both."""
        return [picture for _, span, picture in self.images if span.learn == learn and not span.copy]

    @property
    def names(self) -> list[tuple[str, int]]:
        """What the pictures in the rows of `learned_tokens` are called: sample and segment."""
        return [(self.sample_ids[row], span.segment) for row, span, _ in self.images if span.learn and not span.copy]

    def targets(self) -> tuple[Tensor, Tensor]:
        """The pictures that are to be drawn: their rows in the batch and, ascending, in `learned_tokens`."""
        row, at = (self.duty == int(Duty.IMAGE)).nonzero().unbind(1)
        drawn = torch.stack([self.picture[row, self.predicts[row, at]], row]).unique(dim=1)
        return drawn[1], drawn[0]

    def to(self, device: torch.device | str) -> Batch:
        """The batch with every tensor on `device`."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in moved.items() if hasattr(v, "to")})


def _has(content: Content) -> Callable[[Batch], Tensor]:
    return lambda batch: batch.content == int(content)


def _must(duty: Duty) -> Callable[[Batch], Tensor]:
    return lambda batch: batch.duty == int(duty)


def _seen(batch: Batch) -> Tensor:
    return (batch.content == int(Content.CLEAN)) & (batch.picture >= 0)


# What a model looks up in a batch: name -> bool (B, S). `given` and `drawn` are tokens that enter as they are, `ahead` where an
# image token is predicted at another position, `edited` where one of an edit is; by duty, the positions that predict.
LISTS: dict[str, Callable[[Batch], Tensor]] = {
    "nothing_text": _has(Content.NOTHING_TEXT),
    "nothing_image": _has(Content.NOTHING_IMAGE),
    "given": lambda batch: _seen(batch) & ~batch.drawn,
    "drawn": lambda batch: _seen(batch) & batch.drawn,
    "hidden": _has(Content.HIDDEN),
    "noised": _has(Content.NOISED),
    "ahead": lambda batch: batch.next_place >= 0,
    "edited": lambda batch: batch.source >= 0,
    "text": _must(Duty.TEXT),
    "mark": _must(Duty.MARK),
    "image": _must(Duty.IMAGE),
}


def collate(sequences: list[Sequence], samples: list[Sample], side: str = "right") -> Batch:
    """One row a sequence, padded on the right (training) or on the left (generation).

    Raises: DataError when there is no sequence.
    """
    if not sequences:
        raise DataError("Found a batch without samples; expected at least one.")
    longest = max(map(len, sequences))
    starts = [longest - len(s) if side == "left" else 0 for s in sequences]
    tensors = {name: _padded(name, sequences, starts, longest) for name in PADDED}
    images = [
        (row, replace(span, start=span.start + starts[row]), samples[row].segments[span.segment].content)
        for row, sequence in enumerate(sequences)
        for span in sequence.images
    ]
    picture, drawn = _pictures(images, len(sequences), longest)
    edited = _edited(tensors["source"], samples)
    return Batch(
        **{name: torch.from_numpy(array) for name, array in tensors.items()},
        picture=torch.from_numpy(picture),
        drawn=torch.from_numpy(drawn),
        images=images,
        edited=edited,
        sources=[sample.source for sample in samples],
        sample_ids=[sample.id for sample in samples],
        counts=counts(sequences, samples),
    )


def padding(num: int) -> Sequence:
    """So many positions that read themselves and are read by nobody."""
    return Sequence(**{name: np.full(num, value) for name, value in PADDED.items()})


def counts(sequences: list[Sequence], samples: list[Sample]) -> dict[str, int]:
    """Positions with a duty by "source:text", "source:image", "source:mark"; only those that occur."""
    tally: Counter[str] = Counter()
    for sequence, sample in zip(sequences, samples, strict=True):
        per_duty = np.bincount(sequence.duty, minlength=len(Duty))
        for duty in (Duty.TEXT, Duty.IMAGE, Duty.MARK):
            if per_duty[duty]:
                tally[f"{sample.source}:{duty.name.lower()}"] += int(per_duty[duty])
    return dict(tally)


def _padded(name: str, sequences: list[Sequence], starts: list[int], length: int) -> np.ndarray:
    value = PADDED[name]
    rows = np.full((len(sequences), length), value, dtype=bool if isinstance(value, bool) else np.int64)
    for row, (sequence, start) in enumerate(zip(sequences, starts, strict=True)):
        rows[row, start : start + len(sequence)] = getattr(sequence, name)
    if name == "predicts":
        rows += np.where(rows >= 0, np.array(starts)[:, None], 0)
    return rows


def _edited(source: np.ndarray, samples: list[Sample]) -> list[AbstractPicture]:
    """The pictures that are being edited; `source` then holds their indices instead of segments."""
    pictures = []
    for row, segments in enumerate(source):
        for segment in set(segments[segments >= 0].tolist()):
            segments[segments == segment] = -2 - len(pictures)  # below what is still to be found
            pictures.append(samples[row].segments[segment].content)
    source[source < -1] = -2 - source[source < -1]
    return pictures


def _pictures(
    images: list[tuple[int, ImageSpan, AbstractPicture | None]], num_rows: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    picture, drawn = np.full((num_rows, length), -1, dtype=np.int64), np.zeros((num_rows, length), dtype=bool)
    num_pictures = {True: 0, False: 0}
    for row, span, _ in images:
        if not span.copy:  # the copy stands right behind its image, so the last index is still its picture's
            num_pictures[span.learn] += 1
        lies = slice(span.start, span.start + span.num_tokens)
        picture[row, lies], drawn[row, lies] = num_pictures[span.learn] - 1, span.learn
    return picture, drawn
