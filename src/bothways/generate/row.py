"""One sample while it is being filled: which piece is written now, what came out, and what the model must read next.

A row hands out chunks. The first holds everything before the first segment to write; each later one begins with what was
just produced. Most are one token alone, so they are a `Token`; where more is read, or several places of a picture are asked
for at once, it is a `Chunk`.

Several tokens a step: the last known token is held back. Its copies ask for k places, each from a private block of its own,
so they read what is known and not each other; they leave no trace. The next chunk begins with the token held back and goes
on with those drawn, in order, up to the last, which is now held back. One place at a time needs none of that, because a
token that is read asks for the place behind its own; k = 1 asks the same question.

An image predicted in place is drawn whole in one step of the engine (`in_place`). Its block leaves no trace either; where
anything follows, the row reads the clean copy next, all of it tokens that were just produced.

An open turn is a text until the opening mark comes out. Then the sample grows by what is known now, a text, an image and the
rest of the turn, and is laid out anew: what has been read is a prefix of that. The end-of-turn token makes the rest a text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from bothways.core.randomness import rng
from bothways.core.sample import Image, OpenTurn, Sample, Text
from bothways.layout.build import Piece
from bothways.layout.order import tokens_per_step
from bothways.layout.runs import Cursor, Run, blank_text, lay
from bothways.layout.sequence import Content, Duty, Sequence, joined

Phase = Literal["text", "image", "in place", "done"]
Value = int | np.ndarray  # a text id, the index of a discrete image token, or a continuous one: float32 (dim,)


class Token(NamedTuple):
    """One token: a text id where `place` is -1, else an image token at that place. The rest as in `Sequence`, columns in the
    order of `COLUMNS`."""

    value: Value
    place: int
    next_place: int
    source: int
    block: int
    position: int


COLUMNS = Token._fields[1:]


@dataclass(frozen=True)
class Chunk:
    """What a row reads in one step: `tokens`, produced before, and `given` behind them; and the places that it asks for, one
    by each of the private tokens `asks` (none: what is read last asks)."""

    tokens: tuple[Token, ...] = ()
    given: Sequence | None = None
    asks: tuple[Token, ...] = ()

    @property
    def read(self) -> Sequence:
        """What the cache keeps. The values of produced image tokens are not in it: they belong to no picture yet."""
        return joined([sequence_of(self.tokens), *([] if self.given is None else [self.given])])

    @property
    def loose(self) -> list[Value]:
        """The values of those image tokens, of private ones too, in order."""
        return [token.value for token in (*self.tokens, *self.asks) if token.place >= 0]


def sequence_of(tokens: tuple[Token, ...], asks: bool = False) -> Sequence:
    """The tokens as vectors. `asks`: private, each asking for an image token that is in no sequence yet."""
    columns = np.array([token[1:] for token in tokens], dtype=np.int64).reshape(-1, len(COLUMNS)).T
    places, ahead, sources, blocks, positions = columns
    n, is_text = len(tokens), places < 0
    return Sequence(
        ids=np.array([token.value if token.place < 0 else -1 for token in tokens], dtype=np.int64),
        content=np.where(is_text, Content.TEXT, Content.CLEAN).astype(np.int8),
        duty=np.full(n, Duty.IMAGE if asks else Duty.NONE, dtype=np.int8),
        predicts=np.full(n, -1, dtype=np.int64),
        block=blocks,
        private=np.full(n, asks),
        position=positions,
        place=places,
        next_place=ahead,
        source=sources,
        drawing=~is_text | (ahead >= 0),
        doc=np.zeros(n, dtype=np.int64),
    )


@dataclass
class Row:
    """`drawn` maps a segment to its image tokens in raster order ("N" or "N C"), `written` a segment to its text ids. `draws`
    is the generator of the segment being written, named by (seed, sample, segment): one use a token.

    `block`: the tokens of the picture that is being drawn in place. `known`: all tokens of the pictures of which a part is
    kept, by segment. `draw_steps`: 0 draws one token a step. `open_id`: the opening mark, where the model was taught to predict
    it. `lay_out` gives the pieces of a sample, for one that grows; `told` are the segments that came out of open turns as text.
    `nats`: -log of the confidence of all image tokens produced one after the other, which is what the drawing is worth to a
    head with a likelihood, at temperature 1 and without guidance; else 0.
    """

    sample: Sample
    pieces: list[Piece]
    end_id: int
    max_text_tokens: int
    seed: int
    draw_steps: int = 0
    known: dict[int, list[Value]] = field(default_factory=dict)
    open_id: int = -1
    lay_out: Callable[[Sample], list[Piece]] | None = None
    phase: Phase = "done"
    at: int = 0
    block: Sequence | None = None
    cursor: Cursor = field(default_factory=Cursor)
    produced: list[Value] = field(default_factory=list)
    written: dict[int, list[int]] = field(default_factory=dict)
    drawn: dict[int, np.ndarray] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)
    nats: float = 0.0

    @property
    def segment(self) -> int:
        """Index of the segment being written."""
        return self.pieces[self.at].segment

    @property
    def turn(self) -> OpenTurn | None:
        """The open turn, or what is left of it, whose text is being written; None within anything else."""
        segment = self.sample.segments[self.segment]
        return segment if isinstance(segment, OpenTurn) and self.phase == "text" else None

    @property
    def places(self) -> list[int]:
        """Raster indices of the image tokens to be drawn next."""
        done = len(self.produced)
        return [place for place, *_ in self._columns[done : done + self._counts[self._step]]]

    @property
    def num_asked(self) -> int:
        """How many tokens the next step produces."""
        return self._counts[self._step] if self.phase == "image" else 1

    @property
    def revealed(self) -> float:
        """Share of the image's tokens that are there once the next step is taken."""
        return (len(self.produced) + self.num_asked) / len(self._columns)

    def open(self) -> Chunk:
        """The first chunk."""
        return self._go_on((), [], 0)

    def take(self, tokens: list[Value]) -> Token | Chunk | None:
        """Accept what was produced in a step; returns the next chunk, or None when the sample is full.

        A text that reaches its limit, or an opening mark where the prompt wants a text, is closed with the end token, so what
        follows reads a well-formed turn. One whose turn goes on with an image is closed with nothing: the image's mark follows.
        """
        if self.phase == "in place":
            return self._after_picture(tokens)
        self.produced += tokens
        if self.phase == "image":
            return self._after_image_tokens(tokens)
        [token], turn, ends = tokens, self.turn, self.pieces[self.at].ends
        if turn and token == self.open_id:
            return self._draw_in(turn)
        stops = token in (self.end_id, self.open_id)
        if stops or len(self.produced) >= (turn.max_text_tokens if turn else self.max_text_tokens):
            self.written[self.segment] = self.produced[:-1] if stops else self.produced
            if turn:
                self._become(Text(None, learn=True))
            last = [] if stops else [token]
            return self._finish((), [_text([*last, self.end_id] if ends else last)])
        here, self.cursor = self.cursor, Cursor(self.cursor.block + 1, self.cursor.position + 1)
        return Token(token, -1, -1, -1, here.block, here.position)

    def _draw_in(self, turn: OpenTurn) -> Chunk:
        """The opening mark came out: the turn so far was a text, an image comes, then the rest of the turn."""
        text, self.produced = self.produced[:-1], []
        self.written[self.segment] = text
        rest = OpenTurn(turn.max_text_tokens - len(text), turn.max_images - 1)
        later = {index + 2: tokens for index, tokens in self.known.items() if index > self.segment}
        self.known = {index: tokens for index, tokens in self.known.items() if index < self.segment} | later
        self._become(Text(None, learn=True), Image(None, learn=True), rest)
        assert self.lay_out is not None
        self.pieces, self.at = self.lay_out(self.sample), self.at + 1
        return self._begin((), [], self.at)

    def _become(self, *segments: Text | Image | OpenTurn) -> None:
        """What an open turn, or the rest of one, has turned out to be; the first of it is a text."""
        at, every = self.segment, self.sample.segments
        self.told.append(at)
        self.sample = replace(self.sample, segments=(*every[:at], *segments, *every[at + 1 :]))

    def _after_image_tokens(self, tokens: list[Value]) -> Token | Chunk | None:
        done = len(self.produced)
        columns = self._columns[done - len(tokens) : done]
        new = (*self._held, *(Token(token, *column) for token, column in zip(tokens, columns, strict=True)))
        self._step += 1
        if done < len(self._columns):
            if not self._held:
                return new[0]
            self._held = new[-1:]
            return Chunk(new[:-1], asks=self._asking())
        self.drawn[self.segment] = self._picture()
        self.cursor = self.cursor.after(self.pieces[self.at].body)
        return self._finish(new, [])

    def _after_picture(self, tokens: list[Value]) -> Chunk | None:
        piece, self.drawn[self.segment] = self.pieces[self.at], np.array(tokens)
        copies = [run for run in piece.tail if run.image is not None]
        copy, self.cursor = lay(copies, self.cursor.after(piece.body))
        copied = [Token(tokens[place], place, *others) for place, *others in _columns(copy)]
        return self._finish(tuple(copied), [])

    def _asking(self) -> tuple[Token, ...]:
        """Copies of the token held back, one for each of the places to be drawn next."""
        [last] = self._held
        return tuple(last._replace(next_place=place, block=last.block + i) for i, place in enumerate(self.places))

    def _picture(self) -> np.ndarray:
        produced = np.array(self.produced)
        tokens = np.array(self.known[self.segment]) if self.segment in self.known else np.empty_like(produced)
        tokens[[place for place, *_ in self._columns]] = produced
        return tokens

    def _finish(self, tokens: tuple[Token, ...], runs: list[Run]) -> Chunk | None:
        """The current piece is written: read its last tokens, its tail and all that is given up to the next one to write."""
        piece, self.produced = self.pieces[self.at], []
        if self.at == len(self.pieces) - 1:
            self.phase = "done"
            return None
        return self._go_on(tokens, [*runs, *(run for run in piece.tail if run.image is None)], self.at + 1)

    def _go_on(self, tokens: tuple[Token, ...], runs: list[Run], first: int) -> Chunk:
        for index in range(first, len(self.pieces)):
            if self.pieces[index].to_write:
                return self._begin(tokens, runs, index)
            runs = [*runs, *self.pieces[index].runs]
        self.phase = "done"
        given, self.cursor = lay(runs, self.cursor)
        return Chunk(tokens, given)

    def _begin(self, tokens: tuple[Token, ...], runs: list[Run], index: int) -> Chunk:
        """Begin to write piece `index`; `runs` stand before its head."""
        piece, self.at = self.pieces[index], index
        self.draws = rng(self.seed, "draw", self.sample.id, piece.segment)
        given, self.cursor = lay([*runs, *piece.head], self.cursor)
        if isinstance(self.sample.segments[piece.segment], Image):
            return self._begin_image(tokens, given, piece)
        self.phase = "text"
        return Chunk(tokens, given)

    def _begin_image(self, tokens: tuple[Token, ...], given: Sequence, piece: Piece) -> Chunk:
        if any(run.in_place for run in piece.body):
            self.phase, self.block = "in place", lay(piece.body, self.cursor)[0]
            return Chunk(tokens, given)
        self.phase, self._step = "image", 0
        self._columns = _columns(lay(piece.body, self.cursor)[0])
        n = len(self._columns)
        if not self.draw_steps:
            self._counts, self._held = (1,) * n, ()
            return Chunk(tokens, given)
        self._counts = tokens_per_step(n, min(self.draw_steps, n))
        last = _columns(given)[-1]
        value = self.known[piece.segment][last[0]] if last[0] >= 0 else int(given.ids[-1])
        self._held = (Token(value, *last),)
        return Chunk(tokens, given.without_last(), self._asking())


def _text(ids: list[int]) -> Run:
    return replace(blank_text(len(ids)), ids=np.array(ids, dtype=np.int64))


def _columns(body: Sequence) -> list[tuple[int, ...]]:
    """What a `Token` says beside its value, of every token."""
    return list(zip(*(getattr(body, name).tolist() for name in COLUMNS), strict=True))
