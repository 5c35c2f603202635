"""The engine against the slow, obvious way: for every token, lay the sample out as far as it is filled and run the model.

No cache, no batch, no padding, no chunks: what the engine does must agree with it token for token. The tokenizers of these
tests lose nothing (a character an id, a pixel a code), so a half-filled sample can be said as a sample.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

import tiny
from bothways.backbones.lean import LeanCache
from bothways.core.errors import DataError
from bothways.core.randomness import rng
from bothways.core.sample import AS_BOTH, ArrayPicture, Image, Sample, Segment, Text
from bothways.generate.engine import Engine, fill
from bothways.generate.entering import Entering
from bothways.heads.choose import How, guided, pick
from bothways.layout.batch import collate
from bothways.layout.sequence import Content, Duty, Sequence
from bothways.model.unified import UnifiedModel
from grey import CODES, SIDE, model, picture_of, tokens_of

# The slow, obvious way ------------------------------------------------------------------------------------------------


@torch.inference_mode()
def slow_fill(of: UnifiedModel, sample: Sample, how: How) -> Sample:
    for index, segment in enumerate(sample.segments):
        if segment.learn and segment.content is None:
            begin = replace(sample, segments=sample.segments[:index])
            content = slow_text(of, begin, how) if isinstance(segment, Text) else slow_image(of, begin, how)
            filled = (*sample.segments[:index], replace(segment, content=content), *sample.segments[index + 1 :])
            sample = replace(sample, segments=filled)
    return sample


def slow_text(of: UnifiedModel, begin: Sample, how: How) -> str:
    """The end-of-turn token that a learned text carries stands where the next token will: who predicts it, predicts that."""
    draws, ids = rng(how.seed, "draw", begin.id, len(begin.segments)), []
    while len(ids) < how.max_text_tokens:
        hidden, sequence = slow_hidden(of, begin, Text(of.wording.decode(ids), learn=True), how)
        assert sequence.ids[-1] == of.wording.end and sequence.predicts[-2] == len(sequence) - 1
        [token] = pick(of.backbone.text_logits(hidden[None, -2]), replace(how, temperature=how.of_texts), [draws]).tolist()
        if token == of.wording.end:
            break
        ids.append(token)
    return of.wording.decode(ids)


def slow_image(of: UnifiedModel, begin: Sample, how: How) -> ArrayPicture:
    """Tokens not drawn yet stand as zeros; nobody who predicts an earlier one reads them."""
    draws, tokens = rng(how.seed, "draw", begin.id, len(begin.segments)), np.zeros(SIDE * SIDE, dtype=np.int64)
    for count in range(SIDE * SIDE):
        scores = []
        for drop in (frozenset(), begin.guided_by):
            hidden, sequence = slow_hidden(of, begin, Image(picture_of(tokens), learn=True), how, drop)
            at = sequence.images[-1].start + count
            [predictor] = np.flatnonzero((sequence.predicts == at) & (sequence.duty == Duty.IMAGE))
            scores.append(of.head.logits(hidden[None, predictor]))
        logits = guided(scores[0], scores[1], how.guidance) if how.guidance != 1 else scores[0]
        [tokens[sequence.place[at]]] = pick(logits, how, [draws]).tolist()
    return picture_of(tokens)


def slow_hidden(
    of: UnifiedModel, begin: Sample, last: Segment, how: How, drop: frozenset[str] = frozenset()
) -> tuple[torch.Tensor, Sequence]:
    sample = replace(begin, segments=(*begin.segments, last))
    sequence = of.lay_out(sample, drop, seed=how.seed)
    return of.hidden(of.attach(collate([sequence], [sample])))[0], sequence


# What is filled -------------------------------------------------------------------------------------------------------

GIVEN = [Image(picture_of(rng(0, "given", number).integers(0, CODES, SIDE * SIDE))) for number in range(3)]
READ, DRAW = Text(None, learn=True), Image(None, learn=True)
PATTERNS: dict[str, tuple[Segment, ...]] = {
    "reading": (GIVEN[0], Text("what is it"), READ),
    "reading another": (GIVEN[1], Text("and this, which is longer"), READ),
    "drawing": (Text("draw a cat"), DRAW),
    "drawing unasked": (DRAW,),
    "several turns": (GIVEN[2], Text("one"), READ, Text("two"), READ),
    "answered before": (GIVEN[2], Text("one"), Text("two", learn=True), Text("three"), READ),
    "drawing, then text": (Text("draw and tell"), DRAW, READ),
    "text, then drawing": (Text("tell and draw"), READ, DRAW),
    "editing": (GIVEN[0], Text("red"), DRAW, Text("and why"), READ, DRAW),
    "two drawings": (DRAW, DRAW),
    "drawing after a picture": (GIVEN[1], DRAW),
    "nothing to fill": (GIVEN[1], Text("so"), Text("it is", learn=True)),
}
SAMPLES = [Sample(name, segments) for name, segments in PATTERNS.items()]
HOWS = {
    "greedy": How(max_text_tokens=5),
    "sampled": How(temperature=1.0, top_k=6, seed=3, max_text_tokens=5),
    "guided": How(guidance=3.0, max_text_tokens=4),
    "guided and sampled": How(temperature=0.7, guidance=2.0, seed=1, max_text_tokens=4),
}


def said(sample: Sample) -> list:
    """The contents as text and tokens, so that a failure shows both."""
    return [s.content if isinstance(s, Text) else tokens_of(s.content) for s in sample.segments]


@lru_cache
def slowly(how: str, order: str = "raster", causal_given: bool = False, drawing_layers: int = 0) -> list:
    of = model("sdpa", order, causal_given, drawing_layers=drawing_layers)
    return [said(slow_fill(of, sample, HOWS[how])) for sample in SAMPLES]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("path", ["auto", "sdpa"])
@pytest.mark.parametrize("batch_size", [len(SAMPLES), 1, 4])
def test_the_engine_fills_what_the_slow_way_fills(how, path, batch_size):
    filled = fill(model(path), SAMPLES, HOWS[how], batch_size)
    assert [said(sample) for sample in filled] == slowly(how)
    assert [(s.id, s.source) for s in filled] == [(s.id, s.source) for s in SAMPLES]


@pytest.mark.parametrize("how", ["greedy", "guided and sampled"])
@pytest.mark.parametrize("layout", [("random", False), ("raster", True)], ids=["random order", "causal pictures"])
def test_the_same_holds_for_other_layouts(how, layout):
    assert [said(sample) for sample in fill(model("auto", *layout), SAMPLES, HOWS[how])] == slowly(how, *layout)


@pytest.mark.parametrize("how", ["greedy", "guided and sampled"])
@pytest.mark.parametrize(("path", "batch_size"), [("auto", len(SAMPLES)), ("auto", 1), ("sdpa", 4)])
def test_the_same_holds_where_positions_that_draw_have_layers_of_their_own(how, path, batch_size):
    filled = fill(model(path, drawing_layers=1), SAMPLES, HOWS[how], batch_size)
    assert [said(sample) for sample in filled] == slowly(how, drawing_layers=1) != slowly(how)


def test_what_is_filled_varies_so_that_agreement_means_something():
    found = {how: slowly(how) for how in HOWS}
    texts = {s[-1] for s in found["greedy"] if isinstance(s[-1], str)}
    assert len(texts) >= 4
    assert len({len(text) for text in texts}) >= 2, "some text should end by itself and some at the limit"
    pictures = [tuple(s[-1]) for s in found["greedy"] if not isinstance(s[-1], str)]
    assert len(set(pictures)) == len(pictures) and all(len(set(picture)) >= 3 for picture in pictures)
    for one, other in (("greedy", "sampled"), ("greedy", "guided"), ("guided", "guided and sampled")):
        assert found[one] != found[other]
    assert slowly("greedy", "random") != found["greedy"] != slowly("greedy", "raster", True)


def test_a_text_ends_with_its_end_token_or_at_the_limit():
    for limit in (1, 3):
        for sample in fill(model(), SAMPLES, How(max_text_tokens=limit)):
            for segment, asked in zip(sample.segments, PATTERNS[sample.id], strict=True):
                assert segment.content is not None
                if asked == READ:
                    assert len(segment.content) <= limit


def test_drawing_goes_on_one_token_at_a_time_without_laying_anything_out(monkeypatch):
    samples = [Sample(f"cat {number}", (Text("draw" * (1 + number)), DRAW)) for number in range(3)]
    engine = Engine(model(), HOWS["guided"])
    with torch.inference_mode():
        engine.add(samples)
        engine.step()
        assert isinstance(engine.memory.cache, LeanCache)
        monkeypatch.setattr(Entering, "chunks", None)
        while engine.active:
            engine.step()
    assert all(sample.segments[1].content is not None for sample in engine.results())


@pytest.mark.parametrize("order", ["raster", "random"])
def test_a_picture_that_enters_as_both_is_read_in_drawing_as_in_training(order):
    of = tiny.backbone_model("llama", "auto", loudness=6.0, order=order, **tiny.READS_PATCHES)
    given = Image(tiny.picture(0), views=AS_BOTH)
    drawn = {}
    for views in (AS_BOTH, ("given",), ("learned",)):
        prompt = Sample("edit", (replace(given, views=views), Text("red"), DRAW))
        engine = Engine(of, How())
        with torch.inference_mode():
            engine.add([prompt])
            while engine.active:
                engine.step()
            # Every token is the likeliest where all of the picture is laid out as in training.
            drawn[views] = engine.rows[0].drawn[2]
            so_far = replace(prompt, segments=(*prompt.segments[:2], Image(tiny.picture(1), learn=True)))
            sequence = of.lay_out(so_far, seed=0)
            batch = of.attach(collate([sequence], [so_far]))
            batch.learned_tokens[-1] = torch.from_numpy(drawn[views])
            predictors = np.flatnonzero(sequence.duty == Duty.IMAGE)
            scores = of.head.logits(of.hidden(batch)[0, predictors])
        assert scores.argmax(-1).tolist() == drawn[views][sequence.place[sequence.predicts[predictors]]].tolist()
        assert len(sequence.images) == len(views) + 1
    assert len({tuple(tokens) for tokens in drawn.values()}) == 3, "each view is minded"


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ((GIVEN[0], Text("red")), {Content.CLEAN, Content.NOTHING_TEXT}),
        ((GIVEN[0],), {Content.NOTHING_IMAGE}),
        ((Text("red"),), {Content.NOTHING_TEXT}),
    ],
    ids=["edit", "picture alone", "request"],
)
def test_guidance_is_away_from_the_same_picture_without_its_instruction_or_from_nothing_at_all(given, seen):
    engine = Engine(model(), HOWS["guided"])
    with torch.inference_mode():
        engine.add([Sample("guided", (*given, DRAW))])
    (shadow,) = engine.shadows
    contents = {Content(c) for piece in shadow.pieces[1:-1] for run in piece.body for c in run.content}
    assert contents == seen


def test_a_prompt_that_cannot_fit_is_refused_before_anything_runs():
    with pytest.raises(DataError, match="may take 52 tokens and the model's context holds 40; shorten"):
        fill(model(max_tokens=40), [Sample("long", (Text("draw " * 8), DRAW))])
