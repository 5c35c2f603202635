"""One sample while it is being filled: which piece is written now, what came out, and what the model must read next.

A row hands out chunks. The first holds everything before the first segment to write; each later one begins with the token
just produced. Most are that token alone, so they are a `Token`; where given segments follow, a chunk is a `Sequence` with
absolute positions and blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from bothways.core.randomness import rng
from bothways.core.sample import Image, Sample
from bothways.layout.build import Piece
from bothways.layout.runs import Cursor, Run, blank_text, lay
from bothways.layout.sequence import Content, Duty, Sequence

Phase = Literal["text", "image", "done"]
Value = int | np.ndarray  # a text id, the index of a discrete image token, or a continuous one: float32 (dim,)


class Token(NamedTuple):
    """One produced token: a text id where `place` is -1, else an image token at that place. The rest as in `Sequence`."""

    value: Value
    place: int
    next_place: int
    block: int
    position: int

    def sequence(self) -> Sequence:
        """The same as vectors of length 1. An image token's value is not in it: it belongs to no picture yet."""
        is_text = self.place < 0
        return Sequence(
            ids=_one(self.value if is_text else -1),
            content=_one(Content.TEXT if is_text else Content.CLEAN, np.int8),
            duty=_one(Duty.NONE, np.int8),
            predicts=_one(-1),
            block=_one(self.block),
            private=_one(False, bool),
            position=_one(self.position),
            place=_one(self.place),
            next_place=_one(self.next_place),
            doc=_one(0),
        )


Chunk = Token | Sequence


@dataclass
class Row:
    """`drawn` maps a segment to its image tokens in raster order ("N" or "N C"), `written` a segment to its text ids. `draws`
    is the generator of the segment being written, named by (seed, sample, segment): one use a token."""

    sample: Sample
    pieces: list[Piece]
    end_id: int
    max_text_tokens: int
    seed: int
    phase: Phase = "done"
    at: int = 0
    cursor: Cursor = field(default_factory=Cursor)
    produced: list[Value] = field(default_factory=list)
    written: dict[int, list[int]] = field(default_factory=dict)
    drawn: dict[int, np.ndarray] = field(default_factory=dict)
    last_image_token: Value = -1

    @property
    def segment(self) -> int:
        """Index of the segment being written."""
        return self.pieces[self.at].segment

    @property
    def place(self) -> int:
        """Raster index of the image token to be drawn next."""
        return self._columns[len(self.produced)][0]

    def open(self) -> Sequence:
        """The first chunk."""
        return self._go_on([], 0)

    def take(self, token: Value) -> Chunk | None:
        """Accept a produced token; returns the next chunk, or None when the sample is full.

        A text that reaches its limit is closed with the end token, so what follows reads a well-formed turn.
        """
        self.produced.append(token)
        if self.phase == "image":
            return self._after_image_token(token)
        if token == self.end_id or len(self.produced) >= self.max_text_tokens:
            self.written[self.segment] = [t for t in self.produced if t != self.end_id]
            return self._finish([_text([token] if token == self.end_id else [token, self.end_id])])
        here, self.cursor = self.cursor, Cursor(self.cursor.block + 1, self.cursor.position + 1)
        return Token(token, -1, -1, here.block, here.position)

    def _after_image_token(self, token: Value) -> Chunk | None:
        self.last_image_token = token
        done = len(self.produced)
        column = Token(token, *self._columns[done - 1])
        if done < len(self._columns):
            return column
        produced = np.array(self.produced)
        tokens = np.empty_like(produced)
        tokens[[place for place, *_ in self._columns]] = produced
        self.drawn[self.segment] = tokens
        self.cursor = self.cursor.after(self.pieces[self.at].body)
        rest = self._finish([])
        return rest if rest is None else _join(column.sequence(), rest)

    def _finish(self, runs: list[Run]) -> Sequence | None:
        """The current piece is written: read its last token, its tail and all that is given up to the next one to write."""
        piece, self.produced = self.pieces[self.at], []
        if self.at == len(self.pieces) - 1:
            self.phase = "done"
            return None
        return self._go_on([*runs, *piece.tail], self.at + 1)

    def _go_on(self, runs: list[Run], first: int) -> Sequence:
        for index in range(first, len(self.pieces)):
            piece = self.pieces[index]
            if piece.to_write:
                self.at = index
                self.phase = "image" if isinstance(self.sample.segments[piece.segment], Image) else "text"
                self.draws = rng(self.seed, "draw", self.sample.id, piece.segment)
                chunk, self.cursor = lay([*runs, *piece.head], self.cursor)
                if self.phase == "image":
                    self._columns = _columns(lay(piece.body, self.cursor)[0])
                return chunk
            runs = [*runs, *piece.runs]
        self.phase = "done"
        chunk, self.cursor = lay(runs, self.cursor)
        return chunk


def _text(ids: list[int]) -> Run:
    return replace(blank_text(len(ids)), ids=np.array(ids, dtype=np.int64))


def _columns(body: Sequence) -> list[tuple[int, int, int, int]]:
    """Place, next place, block and position of every token of an image that is drawn one token after the other."""
    return list(zip(body.place.tolist(), body.next_place.tolist(), body.block.tolist(), body.position.tolist(), strict=True))


def _one(value: int, dtype: type = np.int64) -> np.ndarray:
    return np.full(1, value, dtype=dtype)


VECTORS = ("ids", "content", "duty", "predicts", "block", "private", "position", "place", "next_place", "doc")


def _join(first: Sequence, second: Sequence) -> Sequence:
    joined = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in VECTORS}
    shift = len(first)
    return Sequence(**joined, images=tuple(replace(span, start=span.start + shift) for span in second.images))
