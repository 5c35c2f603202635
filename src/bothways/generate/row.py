"""One sample while it is being filled: which piece is written now, what came out, and what the model must read next.

A row hands out chunks (`Sequence` vectors with absolute positions and blocks). The first holds everything before the first
segment to write; each later one begins with the token just produced.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from bothways.core.sample import Image, Sample
from bothways.layout.build import Piece
from bothways.layout.runs import Cursor, Run, blank_text, lay
from bothways.layout.sequence import Sequence

Phase = Literal["text", "image", "done"]


@dataclass
class Row:
    """`drawn` maps a segment to its image tokens in raster order, `written` a segment to its text ids."""

    sample: Sample
    pieces: list[Piece]
    end_id: int
    max_text_tokens: int
    phase: Phase = "done"
    at: int = 0
    cursor: Cursor = field(default_factory=Cursor)
    produced: list[int] = field(default_factory=list)
    written: dict[int, list[int]] = field(default_factory=dict)
    drawn: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def segment(self) -> int:
        """Index of the segment being written."""
        return self.pieces[self.at].segment

    @property
    def place(self) -> int:
        """Raster index of the image token to be drawn next."""
        return int(self._columns.place[len(self.produced)])

    def open(self) -> Sequence:
        """The first chunk."""
        return self._go_on([], 0)

    def take(self, token: int) -> Sequence | None:
        """Accept a produced token; returns the next chunk, or None when the sample is full.

        A text that reaches its limit is closed with the end token, so what follows reads a well-formed turn.
        """
        self.produced.append(token)
        if self.phase == "image":
            return self._after_image_token()
        if token == self.end_id or len(self.produced) >= self.max_text_tokens:
            self.written[self.segment] = [t for t in self.produced if t != self.end_id]
            left = [token] if token == self.end_id else [token, self.end_id]
            return self._finish(_text(left))
        return self._one(_text([token]))

    def _after_image_token(self) -> Sequence | None:
        body = self.pieces[self.at].body
        done = len(self.produced)
        column = _column(self._columns, done - 1)
        if done < len(self._columns):
            return column
        tokens = np.empty(done, dtype=np.int64)
        tokens[self._columns.place] = self.produced
        self.drawn[self.segment] = tokens
        self.cursor = self.cursor.after(body)
        return self._finish(None, column)

    def _finish(self, text: Run | None, column: Sequence | None = None) -> Sequence | None:
        """The current piece is written: read its last token, its tail and all that is given up to the next one to write."""
        piece, self.produced = self.pieces[self.at], []
        if self.at == len(self.pieces) - 1:
            self.phase = "done"
            return None
        chunk = self._go_on([*([text] if text is not None else []), *piece.tail], self.at + 1)
        return chunk if column is None else _join(column, chunk)

    def _go_on(self, runs: list[Run], first: int) -> Sequence:
        for index in range(first, len(self.pieces)):
            piece = self.pieces[index]
            if piece.to_write:
                self.at = index
                self.phase = "image" if isinstance(self.sample.segments[piece.segment], Image) else "text"
                chunk, self.cursor = lay([*runs, *piece.head], self.cursor)
                if self.phase == "image":
                    self._columns, _ = lay(piece.body, self.cursor)
                return chunk
            runs = [*runs, *piece.runs]
        self.phase = "done"
        chunk, self.cursor = lay(runs, self.cursor)
        return chunk

    def _one(self, run: Run) -> Sequence:
        chunk, self.cursor = lay([run], self.cursor)
        return chunk


def _text(ids: list[int]) -> Run:
    return replace(blank_text(len(ids)), ids=np.array(ids, dtype=np.int64))


VECTORS = ("ids", "content", "duty", "predicts", "block", "private", "position", "place", "next_place", "doc")


def _column(columns: Sequence, index: int) -> Sequence:
    """One produced image token; it belongs to no span, because its value is not looked up but known."""
    cut = {name: getattr(columns, name)[index : index + 1] for name in VECTORS}
    return Sequence(**cut | {"duty": np.zeros(1, np.int8), "predicts": np.full(1, -1)})


def _join(first: Sequence, second: Sequence) -> Sequence:
    joined = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in VECTORS}
    shift = len(first)
    return Sequence(**joined, images=tuple(replace(span, start=span.start + shift) for span in second.images))
