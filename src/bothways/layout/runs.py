"""Runs: the smallest part of a sequence, positions that are alike, and how runs are joined.

A run counts from zero and does not know what stands before it; `lay` joins runs, numbers them on from a cursor and finds
who predicts whom.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from bothways.layout.order import raster
from bothways.layout.sequence import Content, Duty, ImageSpan, Sequence


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
    source: np.ndarray
    num_blocks: int
    num_positions: int
    private: bool = False
    in_place: bool = False
    drawing: bool = False
    image: ImageSpan | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def editing(self, segment: int) -> Run:
        """The same run where the image that it draws is an edit of the picture of that segment."""
        asks = (self.target == Duty.IMAGE) if self.in_place else (self.next_place >= 0)
        return replace(self, source=np.where(asks, segment, -1)) if asks.any() else self


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
        if run.private or run.in_place or run.drawing:
            marked.append((run, at))
        at, block, position = at + len(run), block + run.num_blocks, position + run.num_positions
    if not runs:
        runs, blocks, positions = [text_run(full(0, -1), Duty.NONE)], [full(0, 0)], [full(0, 0)]
    target = np.concatenate([run.target for run in runs])
    private, in_place, drawing = np.zeros((3, at), dtype=bool)
    for run, start in marked:
        lies = slice(start, start + len(run))
        private[lies], in_place[lies], drawing[lies] = run.private, run.in_place, run.drawing
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
        source=np.concatenate([run.source for run in runs]),
        drawing=drawing,
        doc=np.zeros(at, dtype=np.int64),
        images=tuple(images),
    )
    return sequence, Cursor(block, position)


def text_run(ids: np.ndarray, target: Duty) -> Run:
    """Text tokens, a block each; `target` is the duty of predicting them."""
    n = len(ids)
    none = full(n, -1)
    return Run(ids, kind(n, Content.TEXT), kind(n, target), raster(n), raster(n), none, none, none, n, n)


@functools.lru_cache(maxsize=1024)
def mark(id: int, target: Duty = Duty.NONE, next_place: int = -1) -> Run:
    """The mark `id`; an opening mark of an image drawn token by token asks for the first place."""
    return replace(text_run(np.array([id]), target), next_place=np.array([next_place]), drawing=next_place >= 0)


@functools.cache
def nothing(content: Content) -> Run:
    """The one token that stands for a dropped segment."""
    return replace(text_run(full(1, -1), Duty.NONE), content=kind(1, content))


def image_run(span: ImageSpan, block: np.ndarray, target: Duty, next_place: np.ndarray | None = None) -> Run:
    """The tokens of an image at `span.places`."""
    n = span.num_tokens
    return Run(
        ids=full(n, -1),
        content=kind(n, Content.CLEAN),
        target=kind(n, target),
        block=block,
        position=raster(n),
        place=span.places,
        next_place=full(n, -1) if next_place is None else next_place,
        source=full(n, -1),
        num_blocks=int(block[-1]) + 1,
        num_positions=n,
        image=span,
    )


def copy_of(span: ImageSpan) -> Run:
    """The clean copy that stands right behind a private image: one block, same places, same positions."""
    n = span.num_tokens
    run = image_run(replace(span, copy=True), block=full(n, 0), target=Duty.NONE)
    return replace(run, position=run.position - n, num_positions=0, drawing=True)


def blank_text(num_tokens: int) -> Run:
    """A run of `num_tokens` text tokens that are still to be written (ids -1)."""
    return text_run(full(num_tokens, -1), Duty.TEXT)


def _predictors(target: np.ndarray, in_place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The duty and the predicted position of each position, from the duty of predicting each."""
    duty, predicts = np.zeros_like(target), np.full(len(target), -1, dtype=np.int64)
    predicted = np.flatnonzero(target)
    predictor = predicted - ~in_place[predicted]
    if len(predictor) and predictor[0] < 0:  # a chunk that goes on behind another: the predictor lies in that one
        predicted, predictor = predicted[1:], predictor[1:]
    duty[predictor], predicts[predictor] = target[predicted], predicted
    return duty, predicts


@functools.lru_cache(maxsize=1024)
def full(n: int, value: int) -> np.ndarray:
    """int64 (n,) of one value, read-only."""
    vector = np.full(n, value, dtype=np.int64)
    vector.flags.writeable = False
    return vector


@functools.lru_cache(maxsize=1024)
def kind(n: int, value: int) -> np.ndarray:
    """int8 (n,) of one `Content` or `Duty`, read-only."""
    vector = np.full(n, value, dtype=np.int8)
    vector.flags.writeable = False
    return vector
