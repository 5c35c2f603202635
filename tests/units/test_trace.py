"""A step of drawing as a sequence: who asks, what those who ask read, and that nobody reads them."""

from __future__ import annotations

import numpy as np
import pytest

from bothways.core.sample import Image, Sample, Text
from bothways.core.spec import Discrete, VisualSpec
from bothways.generate.trace import at_step, begun
from bothways.layout.build import build, pieces
from bothways.layout.order import Drawing, tokens_per_step
from bothways.layout.rule import reads
from bothways.layout.sequence import Duty
from layouts import CHARACTERS, FOUR, PICTURE

NINE = VisualSpec("nine", Discrete(8, 4), (3, 3), 8, True)
SEGMENTS = (Image(PICTURE), Text("cat"), Image(PICTURE, learn=True), Text("ok", learn=True))
OPTIONS = {"drawing": Drawing(order="random"), "seed": 5}
SAMPLE = Sample("drawing", SEGMENTS)


def step_of(draw_steps: int, step: int):
    sample = begun(SAMPLE)
    return at_step(sample, pieces(sample, CHARACTERS, FOUR, NINE, **OPTIONS), draw_steps, step)


@pytest.mark.parametrize("draw_steps", [1, 2, 4, 9])
def test_over_all_steps_every_place_is_asked_for_once_in_the_samples_order(draw_steps):
    [_, span] = build(SAMPLE, CHARACTERS, FOUR, NINE, **OPTIONS).images
    asked, counts = [], tokens_per_step(9, draw_steps)
    for step, count in enumerate(counts):
        sequence, known = step_of(draw_steps, step)
        found = sequence.next_place[sequence.private].tolist()
        assert known == len(asked) and len(found) == count
        asked += found
    assert asked == span.places.tolist()


@pytest.mark.parametrize("step", range(4))
def test_who_asks_reads_all_that_is_known_and_nobody_else_who_asks(step):
    sequence, known = step_of(4, step)
    may, asks = reads(sequence), sequence.private
    assert (may[asks][:, ~asks]).all(), "everything that lasts is read"
    assert (may[asks][:, asks] == np.eye(asks.sum(), dtype=bool)).all() and not may[~asks][:, asks].any()
    assert ((sequence.duty == Duty.IMAGE) == asks).all()
    # They are copies of the last known token, which is not there itself: what it says is read once.
    assert len(set(sequence.position[asks])) == len(set(sequence.place[asks])) == 1
    assert sequence.position[asks][0] == sequence.position[~asks].max() + 1
    drawn = sequence.place[~asks][len("^<....>cat<") :]
    assert len(drawn) == max(0, known - 1) and sequence.place[asks][0] not in drawn


def test_what_lasts_stands_as_the_whole_sample_has_it():
    whole = build(SAMPLE, CHARACTERS, FOUR, NINE, **OPTIONS)
    sequence, _ = step_of(4, 3)
    n = int((~sequence.private).sum())
    for name in ("ids", "content", "block", "position", "place", "next_place"):
        assert getattr(sequence, name)[:n].tolist() == getattr(whole, name)[:n].tolist(), name


def test_only_a_sample_that_learns_a_picture_has_a_step_to_show():
    assert begun(Sample("reading", (Image(PICTURE), Text("a"), Text("b", learn=True)))) is None
    assert begun(SAMPLE).segments == (*SEGMENTS[:2], Image(None, learn=True))
