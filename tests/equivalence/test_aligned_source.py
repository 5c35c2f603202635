"""A picture to be edited, seen at every place that is predicted: against loops, and in drawing as in training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_engine import said, slow_fill

import tiny
from bothways.core.sample import AS_BOTH, Image, Sample, Text
from bothways.generate.engine import fill
from bothways.heads.choose import How
from bothways.layout.build import build
from bothways.layout.order import Drawing, Masking
from bothways.layout.sequence import Duty
from grey import CODES, SIDE, model, picture_of
from layouts import CHARACTERS, FOUR, THREE

ONE, TWO, OTHER = (picture_of(np.random.default_rng(seed).integers(0, CODES, SIDE * SIDE)) for seed in range(3))
DRAW, READ = Image(None, learn=True), Text(None, learn=True)
PROMPTS = [
    Sample("edit", (Image(ONE, views=AS_BOTH), Text("red"), DRAW)),
    Sample("edit, said and drawn again", (Image(ONE, views=AS_BOTH), Text("redder"), DRAW, Text("so"), READ, DRAW)),
    Sample("the later of two", (Image(ONE, views=AS_BOTH), Image(TWO, views=AS_BOTH), Text("red"), DRAW)),
    Sample("request", (Text("red"), DRAW)),
    Sample("drawn after a picture that is only read", (Image(ONE), Text("red"), DRAW)),
]
HOWS = {
    "greedy": How(max_text_tokens=4),
    "guided and sampled": How(temperature=0.7, guidance=2.0, seed=1, max_text_tokens=4),
}


def edit(given=TWO) -> Sample:
    return Sample("one", (Image(ONE, views=AS_BOTH), Image(given, views=AS_BOTH), Text("red"), Image(OTHER, learn=True)))


@pytest.mark.parametrize("drawing", [Drawing(), Drawing(order="random"), Drawing(masked=Masking()), Drawing(noised=True)])
def test_the_source_is_named_wherever_a_token_of_the_edit_is_predicted_and_nowhere_else(drawing):
    sequence = build(edit(), CHARACTERS, FOUR, THREE, drawing=drawing)
    assert (sequence.source == np.where(sequence.duty == Duty.IMAGE, 1, -1)).all() and (sequence.duty == Duty.IMAGE).any()
    assert (build(edit(), CHARACTERS, FOUR, THREE, drawing=drawing, drop=frozenset({"image"})).source == -1).all()
    read = replace(edit(), segments=(Image(ONE), Text("red"), Image(OTHER, learn=True)))
    assert (build(read, CHARACTERS, FOUR, THREE, drawing=drawing).source == -1).all()


@torch.inference_mode()
@pytest.mark.parametrize("settings", [{}, {"order": "random"}, {"order": "random", **tiny.READS_PATCHES}], ids=str)
def test_what_is_added_is_the_token_at_the_place_that_is_predicted(settings):
    aligned, plain = tiny.model(aligned_source=True, **settings), tiny.model(**settings)
    samples = [Sample(f"{n}", (tiny.given(n), Text("red"), tiny.drawn(n + 1))) for n in range(2)] + [tiny.sample("drawing")]
    samples[0] = replace(samples[0], segments=(replace(tiny.given(0), views=AS_BOTH), *samples[0].segments[1:]))
    batch = tiny.batch_of(aligned, samples)
    added = aligned.embed(batch) - plain.embed(tiny.batch_of(plain, samples))
    expected = torch.zeros_like(added)
    sequence, [tokens] = aligned.lay_out(samples[0]), aligned.encodings.learned.tokens([samples[0].segments[0].content])
    for at in np.flatnonzero(sequence.duty == Duty.IMAGE):
        token = tokens[sequence.place[sequence.predicts[at]]]
        expected[0, at] = aligned.source_projector(aligned.learned.vectors(token[None, None])[0])[0]
    torch.testing.assert_close(added, expected, rtol=1e-5, atol=1e-5)
    assert expected.abs().max() > 0.1


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("order", ["raster", "random"])
def test_the_engine_sees_it_as_the_slow_way_does(how, order):
    of = model("auto", order, aligned_source=True)
    found = [said(sample) for sample in fill(of, PROMPTS, HOWS[how])]
    assert found == [said(slow_fill(of, sample, HOWS[how])) for sample in PROMPTS]
    assert found == [said(fill(of, [sample], HOWS[how])[0]) for sample in PROMPTS]


@pytest.mark.parametrize("how", HOWS)
def test_one_token_a_step_from_private_positions_sees_the_same(how):
    of = model("auto", "random", aligned_source=True)
    slow, steps = (fill(of, PROMPTS, replace(HOWS[how], draw_steps=num)) for num in (0, SIDE * SIDE))
    assert [said(sample) for sample in slow] == [said(sample) for sample in steps]


def test_a_model_that_does_not_see_it_has_no_weights_for_it():
    names = dict(tiny.model().named_parameters())
    assert not any("source" in name for name in names)
    added = dict(tiny.model(aligned_source=True).named_parameters())
    assert {name for name in added if "source" not in name} == names.keys()
    assert all(torch.equal(added[name], weight) for name, weight in names.items()), "one part more moves no other's weights"
