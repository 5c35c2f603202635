"""Sample -> Sequence. Each segment becomes a piece, a piece is three short lists of runs, and `lay` joins runs.

    head   what stands before the writing begins: template words, the opening mark of an image
    body   the content; in a learned segment exactly what the model has to produce (an answer with its end-of-turn token)
    tail   what stands behind it: the clean copy of a hidden image, the closing mark, template words

`build` lays the pieces of a whole sample. A generation engine lays them one part at a time with the same numbers:

    chunk, cursor = lay(runs, Cursor())         # runs = all pieces before the first one `to_write`, then its head
    # text: write token after token; column i of `written` holds block, position, ... of token i
    written, _ = lay([blank_text(max_tokens)], cursor)
    ...                                         # n tokens came out, the last one being wording.end (append it if need be)
    cursor = cursor.after([blank_text(n)])
    # image: column i of `drawn` holds place and next_place of token i; the head's last column asks for the first token
    # (the opening mark, or the last of the tokens that are kept)
    drawn, cursor = lay(piece.body, cursor)
    chunk, cursor = lay(piece.tail + next_piece.runs, cursor)
    # masked image: run the columns of piece.body again and again without keeping them in the cache, flipping `content`
    # from HIDDEN to CLEAN as tokens get known; then lay piece.tail, which holds the clean copy where anything follows.

`Cursor`, `lay` and `blank_text` are in `runs`. A chunk is a `Sequence`: its `next_place` and all numbers are absolute, its
`duty` and `predicts` count inside the chunk.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import Image, OpenTurn, Sample, Text, View
from bothways.core.spec import VisualSpec
from bothways.layout.order import Drawing, Order, hidden, known_first, places, raster
from bothways.layout.runs import Run, copy_of, full, image_run, lay, mark, nothing, text_run
from bothways.layout.sequence import Content, Duty, ImageSpan, Sequence
from bothways.layout.wording import Frame, Wording


@dataclass(frozen=True)
class Piece:
    """One segment of a sample. `segment` is its index (-1: the start of the sequence); `to_write`: the model writes the
    body, so a text's body is empty and an image's says where the tokens will lie. What is kept of an image stands in its
    head, as clean tokens in the first places of its order. `ends`, of a text to be written: with the end-of-turn token; else
    its turn goes on with the image behind it."""

    segment: int
    head: tuple[Run, ...]
    body: tuple[Run, ...]
    tail: tuple[Run, ...] = ()
    to_write: bool = False
    ends: bool = True

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.head + self.body + self.tail

    def editing(self, segment: int) -> Piece:
        """The same piece as an edit of the picture of that segment."""
        head, body = (tuple(run.editing(segment) for run in runs) for runs in (self.head, self.body))
        return replace(self, head=head, body=body)


def build(
    sample: Sample,
    wording: Wording,
    given: VisualSpec | None,
    learned: VisualSpec | None,
    *,
    drawing: Drawing = Drawing(),
    causal_given: bool = False,
    same_tokens: bool = False,
    drop: frozenset[str] = frozenset(),
    max_tokens: int | None = None,
    seed: int = 0,
    step: int = 0,
) -> Sequence:
    """The sequence of a sample. Where the model has to write a segment (content None) the sequence stops: behind a text's
    head, or behind the opening mark of an image.

    `given`, `learned`: specs of the tokenizers that read and draw. `drop`: replace given "text" and/or "image" segments by
    one `nothing` token each. `seed` and `step` name the draws of order and masks, together with the sample's id.
    `causal_given`: a given image opens a block at every token instead of being one block. `same_tokens`: both tokenizers make
    the same tokens, so a given image that would enter as both enters once.
    Raises: DataError when the sequence is longer than `max_tokens` or a given segment has no content; ConfigError when the
    sample holds an image that no tokenizer is there for.
    """
    named = {"drop": drop, "seed": seed, "step": step, "causal_given": causal_given, "same_tokens": same_tokens}
    made = pieces(sample, wording, given, learned, drawing=drawing, **named)
    runs: list[Run] = []
    for piece in made:
        if piece.to_write:
            runs += piece.head
            break
        runs += piece.runs
    sequence, _ = lay(runs)
    if max_tokens is not None and len(sequence) > max_tokens:
        raise DataError(
            f"Sample `{sample.id}` is {len(sequence)} tokens long and the context holds {max_tokens}; shorten its text "
            "or set a larger `max_tokens`."
        )
    return sequence


def pieces(
    sample: Sample,
    wording: Wording,
    given: VisualSpec | None,
    learned: VisualSpec | None,
    *,
    drawing: Drawing = Drawing(),
    causal_given: bool = False,
    same_tokens: bool = False,
    drop: frozenset[str] = frozenset(),
    seed: int = 0,
    step: int = 0,
) -> list[Piece]:
    """The start and then one piece a segment; arguments and errors as in `build`."""
    made = [Piece(-1, (), (text_run(wording.opening(sample.segments, whole_turns=drawing.learn_marks), Duty.NONE),))]
    order = drawing.order_of(sample.id, seed, step)
    frames = wording.frames(sample.segments, whole_turns=drawing.learn_marks)
    for index, (segment, frame) in enumerate(zip(sample.segments, frames, strict=True)):
        if segment.content is None and not segment.learn:
            raise DataError(f"Segment {index} of sample `{sample.id}` is given but has no content; give it, or learn it.")
        is_text = not isinstance(segment, Image)  # or a turn, which begins as a text does
        if not segment.learn and ("text" if is_text else "image") in drop:
            piece = Piece(index, (), (nothing(Content.NOTHING_TEXT if is_text else Content.NOTHING_IMAGE),))
        elif is_text:
            piece = _text(index, segment, frame, wording)
        elif segment.learn:
            last = index == len(sample.segments) - 1 and not len(frame.end)
            name = (sample.id, index, step)
            spec = _spec(learned, sample, "drawn")
            piece = _ended(_learned_image(index, segment, wording, spec, drawing, order, last, seed, name), frame)
            source = None if "image" in drop else sample.edited_in(index)
            piece = piece if source is None else piece.editing(source)
        else:
            views = segment.views[:1] if same_tokens else segment.views
            done = {"given": (given, "read"), "learned": (learned, "drawn")}
            piece = _given_image(
                index, wording, {view: _spec(done[view][0], sample, done[view][1]) for view in views}, causal_given
            )
        made.append(_framed(piece, frame))
    return made


def _text(index: int, segment: Text | OpenTurn, frame: Frame, wording: Wording) -> Piece:
    if segment.to_write:
        return Piece(index, (), (), to_write=True, ends=len(frame.end) > 0)
    ids = wording.encode(segment.content)
    if segment.learn:
        return Piece(index, (), (text_run(ids, Duty.TEXT), text_run(frame.end, Duty.TEXT)))
    return Piece(index, (), (text_run(ids, Duty.NONE), text_run(frame.closing, Duty.NONE)))


def _given_image(index: int, wording: Wording, views: dict[View, VisualSpec], causal: bool) -> Piece:
    """Every view between marks of its own, so that each looks as it would alone."""
    between = (mark(wording.close), mark(wording.open))
    body: list[Run] = []
    for view, spec in views.items():
        n = spec.num_tokens
        span = ImageSpan(index, 0, n, learn=view == "learned", places=raster(n))
        body += [*(between if body else ()), image_run(span, block=raster(n) if causal else full(n, 0), target=Duty.NONE)]
    return Piece(index, between[1:], tuple(body), between[:1])


def _learned_image(
    index: int,
    segment: Image,
    wording: Wording,
    spec: VisualSpec,
    drawing: Drawing,
    order: Order,
    last: bool,
    seed: int,
    name: tuple[str | int, ...],
) -> Piece:
    n, target = spec.num_tokens, Duty.MARK if drawing.learn_marks else Duty.NONE
    known = None if segment.keep is None else segment.keep.places(spec.grid)
    open_, close = functools.partial(mark, wording.open, target), mark(wording.close)
    if not drawing.in_place:
        where = places(n, order, seed, *name)
        where = where if known is None else known_first(where, known)
        num_known = 0 if known is None else len(known)
        kept = _in_turn(index, where, 0, num_known, Duty.NONE)
        drawn = _in_turn(index, where, num_known, n, Duty.IMAGE)
        return Piece(index, (open_(next_place=int(where[0])), *kept), drawn, (close,), segment.to_write)
    span = ImageSpan(index, 0, n, learn=True, places=raster(n))
    body = image_run(span, block=full(n, 0), target=Duty.IMAGE)
    body = replace(body, private=True, in_place=True, drawing=True, **_covered(n, drawing, segment, known, seed, name))
    # Nobody may read the private block later, so whatever follows needs a copy that it can read.
    copied = () if last else (copy_of(span),)
    return Piece(index, (open_(),), (body,), (*copied, close), segment.to_write)


def _in_turn(index: int, places: np.ndarray, begin: int, end: int, target: Duty) -> tuple[Run, ...]:
    """The tokens at `places[begin:end]`, one after the other; each asks for the place behind its own."""
    if begin == end:
        return ()
    span = ImageSpan(index, 0, end - begin, learn=True, places=places[begin:end])
    ahead = np.append(places[1:], -1)[begin:end]
    return (replace(image_run(span, block=raster(end - begin), target=target, next_place=ahead), drawing=True),)


def _covered(
    n: int, drawing: Drawing, segment: Image, known: np.ndarray | None, seed: int, name: tuple[str | int, ...]
) -> dict[str, np.ndarray]:
    """Content and target of an image predicted in place: only what cannot be seen is to be predicted. What is known of a
    noised image gets noise like the rest, because no image is trained that holds both."""
    content, target = np.full(n, Content.NOISED, dtype=np.int8), np.full(n, Duty.IMAGE, dtype=np.int8)
    unseen = np.ones(n, dtype=bool)
    if known is not None:
        unseen[known] = False
    elif drawing.masked is not None and not segment.to_write:
        unseen = hidden(n, drawing.masked, seed, *name)
    if drawing.masked is not None:
        content[unseen] = Content.HIDDEN
        content[~unseen] = Content.CLEAN
    target[~unseen] = Duty.NONE
    return {"content": content, "target": target}


def _ended(piece: Piece, frame: Frame) -> Piece:
    """A learned image with the end of the turn that it is the last of."""
    return replace(piece, tail=(*piece.tail, text_run(frame.end, Duty.MARK))) if len(frame.end) else piece


def _framed(piece: Piece, frame: Frame) -> Piece:
    if not len(frame.before) and not len(frame.after):
        return piece
    before, after = text_run(frame.before, Duty.NONE), text_run(frame.after, Duty.NONE)
    return replace(piece, head=(before, *piece.head), tail=(*piece.tail, after))


def _spec(spec: VisualSpec | None, sample: Sample, done: str) -> VisualSpec:
    if spec is None:
        raise ConfigError(
            f"Sample `{sample.id}` holds an image to be {done}, but the model has no tokenizer for images that are {done}."
        )
    return spec
