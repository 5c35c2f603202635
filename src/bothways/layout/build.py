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
    drawn, cursor = lay(piece.body, cursor)
    chunk, cursor = lay(piece.tail + next_piece.runs, cursor)
    # masked image: run the columns of piece.body again and again without keeping them in the cache, flipping `content`
    # from HIDDEN to CLEAN as tokens get known; then lay piece.tail, which holds the clean copy where anything follows.

A chunk is a `Sequence`: its `next_place` and all numbers are absolute, its `duty` and `predicts` count inside the chunk.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import Image, Sample, Text
from bothways.core.spec import VisualSpec
from bothways.layout.order import Drawing, hidden, places, raster
from bothways.layout.sequence import Content, Duty, ImageSpan, Sequence
from bothways.layout.wording import Frame, Wording


@dataclass(frozen=True)
class Run:
    """Positions that are alike. Numbers count from where the run is laid: block 0 is the next new block.

    `target` is the duty of predicting these positions: each by the position before it, or by itself if `in_place`.
    `num_positions` is how far the run moves the RoPE position on (0 for a clean copy, which repeats its image's).
    """

    ids: np.ndarray
    content: np.ndarray
    target: np.ndarray
    block: np.ndarray
    position: np.ndarray
    place: np.ndarray
    next_place: np.ndarray
    num_blocks: int
    num_positions: int
    private: bool = False
    in_place: bool = False
    image: ImageSpan | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Piece:
    """One segment of a sample. `segment` is its index (-1: the start of the sequence); `to_write`: the model writes the
    body, so a text's body is empty and an image's says where the tokens will lie."""

    segment: int
    head: tuple[Run, ...]
    body: tuple[Run, ...]
    tail: tuple[Run, ...] = ()
    to_write: bool = False

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.head + self.body + self.tail


@dataclass(frozen=True)
class Cursor:
    """Where the next run begins."""

    block: int = 0
    position: int = 0

    def after(self, runs: Iterable[Run]) -> Cursor:
        """The cursor behind `runs`."""
        block, position = self.block, self.position
        for run in runs:
            block, position = block + run.num_blocks, position + run.num_positions
        return Cursor(block, position)


def build(
    sample: Sample,
    wording: Wording,
    given: VisualSpec | None,
    learned: VisualSpec | None,
    *,
    drawing: Drawing = Drawing(),
    causal_given: bool = False,
    drop: frozenset[str] = frozenset(),
    max_tokens: int | None = None,
    seed: int = 0,
    step: int = 0,
) -> Sequence:
    """The sequence of a sample. Where the model has to write a segment (content None) the sequence stops: behind a text's
    head, or behind the opening mark of an image.

    `given`, `learned`: specs of the tokenizers that read and draw. `drop`: replace given "text" and/or "image" segments by
    one `nothing` token each. `seed` and `step` name the draws of order and masks, together with the sample's id.
    `causal_given`: a given image opens a block at every token instead of being one block.
    Raises: DataError when the sequence is longer than `max_tokens` or a given segment has no content; ConfigError when the
    sample holds an image that no tokenizer is there for.
    """
    made = pieces(
        sample, wording, given, learned, drawing=drawing, causal_given=causal_given, drop=drop, seed=seed, step=step
    )
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
    drop: frozenset[str] = frozenset(),
    seed: int = 0,
    step: int = 0,
) -> list[Piece]:
    """The start and then one piece a segment; arguments and errors as in `build`."""
    made = [Piece(-1, (), (_text_run(np.array([wording.start]), Duty.NONE),))]
    for index, (segment, frame) in enumerate(zip(sample.segments, wording.frames(sample.segments), strict=True)):
        if segment.content is None and not segment.learn:
            raise DataError(f"Segment {index} of sample `{sample.id}` is given but has no content; give it, or learn it.")
        is_text = isinstance(segment, Text)
        if not segment.learn and ("text" if is_text else "image") in drop:
            piece = Piece(index, (), (_nothing(Content.NOTHING_TEXT if is_text else Content.NOTHING_IMAGE),))
        elif is_text:
            piece = _text(index, segment, frame, wording)
        elif segment.learn:
            last = index == len(sample.segments) - 1
            name = (sample.id, index, step)
            piece = _learned_image(index, segment, wording, _spec(learned, sample, "drawn"), drawing, last, seed, name)
        else:
            piece = _given_image(index, wording, _spec(given, sample, "read"), causal_given)
        made.append(_framed(piece, frame))
    return made


def blank_text(num_tokens: int) -> Run:
    """A run of `num_tokens` text tokens that are still to be written (ids -1)."""
    return _text_run(_full(num_tokens, -1), Duty.TEXT)


def lay(runs: Iterable[Run], cursor: Cursor = Cursor()) -> tuple[Sequence, Cursor]:
    """The runs joined, numbered on from the cursor, and the cursor behind them."""
    runs = list(runs)
    at, block, position = 0, cursor.block, cursor.position
    blocks, positions, images, marked = [], [], [], []
    for run in runs:
        blocks.append(run.block + block)
        positions.append(run.position + position)
        if run.image is not None:
            images.append(replace(run.image, start=at))
        if run.private or run.in_place:
            marked.append((run, at))
        at, block, position = at + len(run), block + run.num_blocks, position + run.num_positions
    if not runs:
        runs, blocks, positions = [_text_run(_full(0, -1), Duty.NONE)], [_full(0, 0)], [_full(0, 0)]
    target = np.concatenate([run.target for run in runs])
    private, in_place = np.zeros(at, dtype=bool), np.zeros(at, dtype=bool)
    for run, start in marked:
        private[start : start + len(run)] = run.private
        in_place[start : start + len(run)] = run.in_place
    duty, predicts = _predictors(target, in_place)
    sequence = Sequence(
        ids=np.concatenate([run.ids for run in runs]),
        content=np.concatenate([run.content for run in runs]),
        duty=duty,
        predicts=predicts,
        block=np.concatenate(blocks),
        private=private,
        position=np.concatenate(positions),
        place=np.concatenate([run.place for run in runs]),
        next_place=np.concatenate([run.next_place for run in runs]),
        doc=np.zeros(at, dtype=np.int64),
        images=tuple(images),
    )
    return sequence, Cursor(block, position)


def _predictors(target: np.ndarray, in_place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The duty and the predicted position of each position, from the duty of predicting each."""
    duty, predicts = np.zeros_like(target), np.full(len(target), -1, dtype=np.int64)
    predicted = np.flatnonzero(target)
    predictor = predicted - ~in_place[predicted]
    if len(predictor) and predictor[0] < 0:  # a chunk that goes on behind another: the predictor lies in that one
        predicted, predictor = predicted[1:], predictor[1:]
    duty[predictor], predicts[predictor] = target[predicted], predicted
    return duty, predicts


def _text(index: int, segment: Text, frame: Frame, wording: Wording) -> Piece:
    if segment.content is None:
        return Piece(index, (), (), to_write=True)
    ids = wording.encode(segment.content)
    if segment.learn:
        return Piece(index, (), (_text_run(ids, Duty.TEXT), _text_run(frame.end, Duty.TEXT)))
    return Piece(index, (), (_text_run(ids, Duty.NONE), _text_run(frame.closing, Duty.NONE)))


def _given_image(index: int, wording: Wording, spec: VisualSpec, causal: bool) -> Piece:
    n = spec.num_tokens
    span = ImageSpan(index, 0, n, learn=False, places=raster(n))
    body = _image_run(span, block=raster(n) if causal else _full(n, 0), target=Duty.NONE)
    return Piece(index, (_mark(wording.open),), (body,), (_mark(wording.close),))


def _learned_image(
    index: int,
    segment: Image,
    wording: Wording,
    spec: VisualSpec,
    drawing: Drawing,
    last: bool,
    seed: int,
    name: tuple[str | int, ...],
) -> Piece:
    n, target = spec.num_tokens, Duty.MARK if drawing.learn_marks else Duty.NONE
    to_write = segment.content is None
    span = ImageSpan(index, 0, n, learn=True, places=places(n, drawing, seed, *name))
    close = _mark(wording.close)
    if not drawing.in_place:
        body = _image_run(span, block=raster(n), target=Duty.IMAGE, next_place=np.append(span.places[1:], -1))
        head = _mark(wording.open, target, next_place=int(span.places[0]))
        return Piece(index, (head,), (body,), (close,), to_write)
    body = _image_run(span, block=_full(n, 0), target=Duty.IMAGE)
    body = replace(body, private=True, in_place=True, **_covered(n, drawing, to_write, seed, name))
    # Nobody may read the private block later, so whatever follows needs a copy that it can read.
    copied = () if last else (_copy(span),)
    return Piece(index, (_mark(wording.open, target),), (body,), (*copied, close), to_write)


def _covered(
    n: int, drawing: Drawing, to_write: bool, seed: int, name: tuple[str | int, ...]
) -> dict[str, np.ndarray]:
    """Content and target of an image predicted in place: only what cannot be seen is to be predicted."""
    content, target = np.full(n, Content.NOISED, dtype=np.int8), np.full(n, Duty.IMAGE, dtype=np.int8)
    if drawing.masked is not None:
        unseen = np.ones(n, dtype=bool) if to_write else hidden(n, drawing.masked, seed, *name)
        content[:] = np.where(unseen, Content.HIDDEN, Content.CLEAN)
        target[~unseen] = Duty.NONE
    return {"content": content, "target": target}


def _copy(span: ImageSpan) -> Run:
    n = span.num_tokens
    run = _image_run(replace(span, copy=True), block=_full(n, 0), target=Duty.NONE)
    return replace(run, position=run.position - n, num_positions=0)


def _framed(piece: Piece, frame: Frame) -> Piece:
    if not len(frame.before) and not len(frame.after):
        return piece
    before, after = _text_run(frame.before, Duty.NONE), _text_run(frame.after, Duty.NONE)
    return replace(piece, head=(before, *piece.head), tail=(*piece.tail, after))


def _text_run(ids: np.ndarray, target: Duty) -> Run:
    n = len(ids)
    none = _full(n, -1)
    return Run(ids, _kind(n, Content.TEXT), _kind(n, target), raster(n), raster(n), none, none, n, n)


@functools.lru_cache(maxsize=1024)
def _mark(id: int, target: Duty = Duty.NONE, next_place: int = -1) -> Run:
    return replace(_text_run(np.array([id]), target), next_place=np.array([next_place]))


@functools.cache
def _nothing(content: Content) -> Run:
    return replace(_text_run(_full(1, -1), Duty.NONE), content=_kind(1, content))


def _image_run(span: ImageSpan, block: np.ndarray, target: Duty, next_place: np.ndarray | None = None) -> Run:
    n = span.num_tokens
    return Run(
        ids=_full(n, -1),
        content=_kind(n, Content.CLEAN),
        target=_kind(n, target),
        block=block,
        position=raster(n),
        place=span.places,
        next_place=_full(n, -1) if next_place is None else next_place,
        num_blocks=int(block[-1]) + 1,
        num_positions=n,
        image=span,
    )


@functools.lru_cache(maxsize=1024)
def _full(n: int, value: int) -> np.ndarray:
    vector = np.full(n, value, dtype=np.int64)
    vector.flags.writeable = False
    return vector


@functools.lru_cache(maxsize=1024)
def _kind(n: int, value: int) -> np.ndarray:
    vector = np.full(n, value, dtype=np.int8)
    vector.flags.writeable = False
    return vector


def _spec(spec: VisualSpec | None, sample: Sample, done: str) -> VisualSpec:
    if spec is None:
        raise ConfigError(
            f"Sample `{sample.id}` holds an image to be {done}, but the model has no tokenizer for images that are {done}."
        )
    return spec
