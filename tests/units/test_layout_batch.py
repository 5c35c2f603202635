"""Sequences as padded tensors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bothways.core.errors import DataError
from bothways.core.sample import ArrayPicture, Image, Sample, Text
from bothways.layout.batch import PADDING_DOC, collate
from bothways.layout.build import build
from bothways.layout.order import Drawing, Masking
from bothways.layout.rule import may_read, reads
from bothways.layout.sequence import Duty
from layouts import CHARACTERS, FOUR, PICTURE, THREE, options, samples

VECTORS = ["ids", "content", "duty", "block", "private", "position", "place", "next_place", "doc"]


@given(st.lists(samples, min_size=1, max_size=4), options, st.sampled_from(["left", "right"]))
def test_rows_hold_their_sequences_and_padding_reads_itself_alone(samples, options, side):
    sequences = [build(s, CHARACTERS, FOUR, THREE, **options) for s in samples]
    batch = collate(sequences, samples, side)
    longest = max(map(len, sequences))
    may = may_read(*(v.numpy() for v in (batch.doc, batch.block, batch.doc, batch.block, batch.private)))
    for row, sequence in enumerate(sequences):
        start = longest - len(sequence) if side == "left" else 0
        lies = slice(start, start + len(sequence))
        for name in VECTORS:
            assert getattr(batch, name)[row, lies].tolist() == getattr(sequence, name).tolist(), name
        predicts = batch.predicts[row, lies]
        assert torch.where(predicts >= 0, predicts - start, -1).tolist() == sequence.predicts.tolist()
        padding = batch.is_padding[row].numpy()
        assert padding.sum() == longest - len(sequence) and (batch.doc[row][padding] == PADDING_DOC).all()
        assert (may[row][lies, lies] == reads(sequence)).all()
        assert may[row].diagonal().all()
        assert not may[row][padding][:, ~padding].any() and not may[row][~padding][:, padding].any()


def test_each_image_token_finds_its_picture():
    red, blue, green = (ArrayPicture(PICTURE.array, name) for name in ("red", "blue", "green"))
    masked = Drawing(masked=Masking())
    edit = Sample("edit", (Image(red), Image(blue, learn=True), Text("ok", learn=True)), "edit")
    draw = Sample("draw", (Text("a"), Image(green, learn=True)), "draw")
    both = [edit, draw]
    batch = collate([build(s, CHARACTERS, FOUR, THREE, drawing=masked) for s in both], both, side="left")
    assert [p.name for p in batch.pictures(learn=False)] == ["red"]
    assert [p.name for p in batch.pictures(learn=True)] == ["blue", "green"]
    assert [span.copy for _, span, _ in batch.images] == [False, False, True, False]
    for row, span, picture in batch.images:
        lies = slice(span.start, span.start + span.num_tokens)
        assert batch.place[row, lies].tolist() == span.places.tolist()
        assert (batch.drawn[row, lies] == span.learn).all()
        names = [batch.pictures(span.learn)[i].name for i in batch.picture[row, lies]]
        assert names == [picture.name] * span.num_tokens
    assert ((batch.picture >= 0) == batch.is_image).all()


def test_counts_are_the_duties_of_each_source():
    read = Sample("1", (Image(PICTURE), Text("ab", learn=True)), "read")
    draw = Sample("2", (Text("ab"), Image(PICTURE, learn=True)), "draw")
    rows = [read, draw, draw]
    batch = collate([build(s, CHARACTERS, FOUR, THREE, drawing=Drawing(learn_marks=True)) for s in rows], rows)
    assert batch.counts == {"read:text": 3, "draw:image": 6, "draw:mark": 4}, "a mark and an end of turn each"
    assert sum(batch.counts.values()) == (batch.duty != Duty.NONE).sum()
    assert batch.sources == ["read", "draw", "draw"] and batch.sample_ids == ["1", "2", "2"]


def test_moving_a_batch_moves_every_tensor():
    sample = Sample("1", (Image(PICTURE), Text("ab", learn=True)))
    moved = collate([build(sample, CHARACTERS, FOUR, THREE)], [sample]).to("meta")
    tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
    assert len(tensors) == 14 and all(t.device.type == "meta" for t in tensors)


def test_an_empty_batch_is_refused():
    with pytest.raises(DataError, match="without samples"):
        collate([], [])
