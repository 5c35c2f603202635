"""Orders of tokens: what is decided by name, the mixture of two, what is known first, and how many tokens a step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.core.errors import ConfigError
from bothways.core.region import REGIONS, Region
from bothways.core.sample import Image, Sample, Text
from bothways.core.spec import Continuous, Discrete, VisualSpec
from bothways.layout.build import build, pieces
from bothways.layout.order import Drawing, Masking, check_draw_steps, known_first, places, tokens_per_step
from bothways.layout.runs import Cursor, lay
from bothways.layout.sequence import VECTORS, Content, Duty, joined
from layouts import CHARACTERS, FOUR, PICTURE, samples

NINE = VisualSpec("nine", Discrete(8, 4), (3, 3), 8, True)
LEARNED = Image(PICTURE, learn=True)
MIXED = Drawing(order="mixed", raster_share=0.3)

regions = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3), st.integers(1, 3)).filter(
    lambda cells: cells[0] < cells[2] and cells[1] < cells[3] and cells != (0, 0, 3, 3)
)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_every_step_draws_a_token_and_together_they_draw_all(numbers):
    num_tokens, num_steps = numbers
    counts = tokens_per_step(num_tokens, num_steps)
    assert len(counts) == num_steps and min(counts) >= 1 and sum(counts) == num_tokens


@given(st.integers(1, 20).flatmap(lambda steps: st.tuples(st.integers(20 * steps, 2000), st.just(steps))))
def test_where_there_are_tokens_enough_those_left_follow_a_cosine(numbers):
    num_tokens, num_steps = numbers
    left = (num_tokens - np.cumsum(tokens_per_step(num_tokens, num_steps))).tolist()
    shares = np.cos(np.pi / 2 * np.arange(1, num_steps + 1) / num_steps).clip(0)
    assert left == np.floor(shares * num_tokens).tolist()


def test_the_schedule_of_64_tokens_in_8_steps():
    assert tokens_per_step(64, 8) == (2, 3, 6, 8, 10, 11, 12, 12)
    assert tokens_per_step(64, 1) == (64,) and tokens_per_step(64, 64) == (1,) * 64


def test_steps_that_cannot_be_are_refused_and_raster_training_refuses_them_all():
    masked, random = Drawing(masked=Masking()), Drawing(order="random")
    for steps in (0, 1, 9):
        for fine in (random, MIXED, masked):
            check_draw_steps(steps, 9, fine)
    for steps in (-1, 10):
        for fine in (random, masked):
            with pytest.raises(ConfigError, match=f"Found draw_steps {steps}; a picture of 9 tokens is drawn in 1 to 9 steps"):
                check_draw_steps(steps, 9, fine)
    for refusing, why in ((Drawing(), "trained in raster order"), (Drawing(noised=True), "takes noise off all tokens")):
        check_draw_steps(0, 9, refusing)
        with pytest.raises(ConfigError, match=f"Found draw_steps .*{why}"):
            check_draw_steps(3, 9, refusing)


def test_a_mixture_holds_its_share_of_raster_orders_and_random_ones_are_those_of_the_random_order():
    def laid(drawing: Drawing, name: str, step: int = 0) -> tuple[int, ...]:
        sequence = build(Sample(name, (Text("cat"), LEARNED)), CHARACTERS, None, NINE, drawing=drawing, step=step)
        return tuple(sequence.images[0].places.tolist())

    names = [str(number) for number in range(400)]
    found = [laid(MIXED, name) for name in names]
    random = [laid(Drawing(order="random"), name) for name in names]
    raster = tuple(range(9))
    assert 0.24 < np.mean([one == raster for one in found]) < 0.36
    assert all(one in (raster, other) for one, other in zip(found, random, strict=True))
    assert [laid(MIXED, name) for name in names] == found
    assert len({laid(MIXED, "a", step) == raster for step in range(20)}) == 2, "decided anew at every step"
    assert {laid(Drawing(order="mixed", raster_share=1.0), name) for name in names} == {raster}


def test_all_pictures_of_a_sample_share_the_choice_between_raster_and_random():
    for number in range(30):
        sample = Sample(str(number), (LEARNED, Text("a"), LEARNED))
        orders = [span.places.tolist() for span in build(sample, CHARACTERS, None, NINE, drawing=MIXED).images]
        assert len({order == list(range(9)) for order in orders}) == 1
        assert orders[0] == list(range(9)) or orders[0] != orders[1]


@given(st.integers(0, 50), st.sets(st.integers(0, 8)))
def test_what_is_known_comes_first_and_both_parts_keep_their_order(seed, known):
    order = places(9, "random", seed, "x")
    found = known_first(order, np.array(sorted(known), dtype=np.int64)).tolist()
    assert set(found[: len(known)]) == known and sorted(found) == list(range(9))
    for part in (found[: len(known)], found[len(known) :]):
        assert part == [place for place in order if place in part]


@given(regions, st.sampled_from(["raster", "random"]), st.integers(0, 5))
def test_a_kept_part_stands_clean_behind_the_opening_mark_and_the_rest_is_to_be_written(cells, order, seed):
    region = Region(cells[0] / 3, cells[1] / 3, cells[2] / 3, cells[3] / 3)
    known = region.places((3, 3))
    sample = Sample("a", (Text("cat"), Image(PICTURE, learn=True, keep=region), Text("ok", learn=True)))
    options = {"drawing": Drawing(order=order), "seed": seed}
    sequence = build(sample, CHARACTERS, None, NINE, **options)
    m = len(known)
    assert sorted(sequence.place[-m:].tolist()) == known.tolist() and sequence.ids[-m - 1] == CHARACTERS.open
    assert (sequence.content[-m:] == Content.CLEAN).all() and (sequence.duty == Duty.NONE).all()
    assert sequence.images[-1].num_tokens == m
    _, piece, _ = pieces(sample, CHARACTERS, None, NINE, **options)[1:]
    rest, _ = lay(piece.body)
    assert piece.to_write and sorted([*rest.place.tolist(), *known.tolist()]) == list(range(9))
    assert [*sequence.next_place[-m - 1 :].tolist(), *rest.next_place.tolist()] == [
        *sequence.place[-m:].tolist(),
        *rest.place.tolist(),
        -1,
    ], "the mark and each token ask for the place behind theirs"


def test_with_nothing_kept_or_a_raster_beginning_kept_nothing_else_moves():
    whole = build(Sample("a", (Text("cat"), LEARNED)), CHARACTERS, None, NINE)
    keeping = Image(PICTURE, learn=True, keep=Region(0, 0, 1, 1 / 3))
    begin = build(Sample("a", (Text("cat"), keeping)), CHARACTERS, None, NINE)
    for name in set(VECTORS) - {"duty", "predicts"}:
        assert getattr(whole, name)[: len(begin)].tolist() == getattr(begin, name).tolist(), name


def test_a_masked_picture_of_which_a_part_is_kept_hides_the_rest():
    sample = Sample("a", (Image(PICTURE, learn=True, keep=REGIONS["top-half"]), Text("ok", learn=True)))
    four = VisualSpec("four", Discrete(8, 4), (2, 2), 8, True)
    body = pieces(sample, CHARACTERS, None, four, drawing=Drawing(masked=Masking()))[1].body[0]
    assert body.content.tolist() == [Content.CLEAN, Content.CLEAN, Content.HIDDEN, Content.HIDDEN]
    assert body.target.tolist() == [Duty.NONE, Duty.NONE, Duty.IMAGE, Duty.IMAGE]


def test_what_is_kept_of_a_noised_picture_is_noised_like_the_rest_and_not_predicted():
    sample = Sample("a", (Image(PICTURE, learn=True, keep=REGIONS["top-half"]), Text("ok", learn=True)))
    four = VisualSpec("four", Continuous(4), (2, 2), 8, True)
    body = pieces(sample, CHARACTERS, None, four, drawing=Drawing(noised=True))[1].body[0]
    assert body.content.tolist() == [Content.NOISED] * 4
    assert body.target.tolist() == [Duty.NONE, Duty.NONE, Duty.IMAGE, Duty.IMAGE]


@pytest.mark.parametrize(("share", "num"), [(0.1, 1), (0.5, 4), (0.9, 8), (0.06, 1)])
def test_a_share_hides_so_many_tokens_and_what_is_hidden_at_less_is_hidden_at_more(share, num):
    def hidden_at(share: float) -> set[int]:
        drawing = Drawing(masked=Masking()).at(share)
        return set(np.flatnonzero(build(Sample("a", (LEARNED,)), CHARACTERS, None, NINE, drawing=drawing).duty).tolist())

    assert len(hidden_at(share)) == num and hidden_at(share) <= hidden_at(1.0)
    assert Drawing(noised=True).at(share) == Drawing(noised=True)


@given(samples, st.data())
def test_a_sequence_cut_and_joined_is_the_same(sample, data):
    sequence = build(sample, CHARACTERS, FOUR, NINE)
    parts, cursor = [], Cursor()
    for piece in pieces(sample, CHARACTERS, FOUR, NINE):
        part, cursor = lay(piece.runs, cursor)
        parts.append(part)
    again = joined(parts)
    for name in set(VECTORS) - {"duty", "predicts"}:
        assert (getattr(again, name) == getattr(sequence, name)).all(), name
    assert [(s.start, s.segment) for s in again.images] == [(s.start, s.segment) for s in sequence.images]
    for _ in range(data.draw(st.integers(0, len(sequence)))):
        again = again.without_last()
    assert again.ids.tolist() == sequence.ids[: len(again)].tolist()
    for span in again.images:
        assert 0 < span.num_tokens == len(span.places) and span.start + span.num_tokens <= len(again)
        assert again.place[span.start : span.start + span.num_tokens].tolist() == span.places.tolist()
