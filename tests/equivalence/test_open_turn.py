"""Turns that the model fills by itself, against the slow, obvious way: after every token, lay out what there is and run it all.

The slow way writes a turn as the list of its segments, an empty text between two images included, and reads the next token
off the text that it is in: another piece of text, the opening mark, or the end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine import said, slow_hidden, slow_image

import continuous
import grey
from bothways.backbones.lean import LeanCache
from bothways.core.errors import ConfigError, DataError
from bothways.core.randomness import rng
from bothways.core.region import Region
from bothways.core.sample import Image, OpenTurn, Sample, Segment, Text
from bothways.generate.engine import Engine, fill
from bothways.generate.entering import Entering
from bothways.generate.row import Row
from bothways.heads.choose import How, pick
from bothways.layout.sequence import Duty
from bothways.model.unified import UnifiedModel
from grey import CODES, SIDE, picture_of

GIVEN = [Image(picture_of(rng(0, "given", number).integers(0, CODES, SIDE * SIDE))) for number in range(2)]
DRAWN = Image(picture_of(rng(0, "drawn").integers(0, CODES, SIDE * SIDE)), learn=True)
TURN, READ, DRAW = OpenTurn(6, 2), Text(None, learn=True), Image(None, learn=True)
PATTERNS: dict[str, tuple[Segment, ...]] = {
    "a request": (Text("draw a cat"), TURN),
    "a request that takes longer to make": (Text("draw a cat that sleeps"), TURN),
    "a question": (GIVEN[0], Text("what is it"), TURN),
    "unasked": (TURN,),
    "two turns": (Text("one"), TURN, Text("two"), TURN),
    "after an answer": (GIVEN[1], Text("one"), Text("so", learn=True), DRAWN, Text("and"), OpenTurn(9, 3)),
    "no picture": (Text("draw"), OpenTurn(5, 0)),
    "then a picture": (Text("draw and say"), TURN, Text("again"), DRAW),
    "then a text": (GIVEN[1], Text("it"), TURN, Text("so"), READ),
    "text and picture asked for": (Text("both"), READ, DRAW, READ),
    "going on in its own turn": (Text("on"), DRAWN, OpenTurn(4, 1)),
}
SAMPLES = [Sample(f"{name} {number}", segments) for name, segments in PATTERNS.items() for number in range(3)]
EAGER = 2.4  # standard deviations
HOWS = {
    "greedy": How(max_text_tokens=5),
    "sampled": How(temperature=1.0, top_k=40, seed=3, max_text_tokens=5),
    "guided": How(guidance=3.0, max_text_tokens=4),
    "texts apart": How(temperature=1.0, text_temperature=3.0, guidance=2.0, seed=1, max_text_tokens=4),
}


def model(path: str = "auto", order: str = "raster", max_tokens: int = 512) -> UnifiedModel:
    """As the engine's tests have it, but as likely to draw or to end its turn as to say something."""
    return _eager(path, order, max_tokens)


@lru_cache
def _eager(path: str, order: str, max_tokens: int) -> UnifiedModel:
    return eager(grey.model(path, order, max_tokens=max_tokens, learn_marks=True))


def eager(made: UnifiedModel) -> UnifiedModel:
    plain = made.backbone.text_logits

    def text_logits(hidden):
        scores = plain(hidden)
        scores[:, [made.wording.open, made.wording.end]] += EAGER * scores.std(dim=-1, keepdim=True)
        return scores

    made.backbone.text_logits = text_logits
    return made


# The slow, obvious way ------------------------------------------------------------------------------------------------


@torch.inference_mode()
def slow_fill(of: UnifiedModel, sample: Sample, how: How) -> list:
    done: list[Segment] = []
    empty: list[int] = []
    for asked in sample.segments:
        begin = replace(sample, segments=tuple(done))
        if isinstance(asked, OpenTurn):
            turn = slow_turn(of, begin, asked, how)
            if len(turn) > 1 or (done and done[-1].learn and isinstance(done[-1], Image) and done[-1] is not DRAWN):
                empty += [len(done) + at for at, s in enumerate(turn) if isinstance(s, Text) and not s.content]
            done += turn
        elif asked.to_write and isinstance(asked, Text):
            done.append(Text(slow_text(of, begin, how), learn=True))
        elif asked.to_write:
            done.append(Image(slow_image(of, begin, how), learn=True))
        else:
            done.append(asked)
    return said(replace(sample, segments=tuple(s for at, s in enumerate(done) if at not in empty)))


def slow_turn(of: UnifiedModel, begin: Sample, turn: OpenTurn, how: How) -> list[Segment]:
    done: list[Segment] = [Text("", learn=True)]
    left, images = turn.max_text_tokens, turn.max_images
    draws = rng(how.seed, "draw", begin.id, len(begin.segments))
    while left:
        before = replace(begin, segments=(*begin.segments, *done[:-1]))
        token = slow_token(of, before, done[-1], how, draws, () if images else (of.wording.open,))
        if token == of.wording.end:
            break
        if token == of.wording.open:
            before = replace(begin, segments=(*begin.segments, *done))
            done += [Image(slow_image(of, before, how), learn=True), Text("", learn=True)]
            images -= 1
            draws = rng(how.seed, "draw", begin.id, len(begin.segments) + len(done) - 1)
            continue
        done[-1], left = Text(done[-1].content + of.wording.decode([token]), learn=True), left - 1
    return done


def slow_text(of: UnifiedModel, begin: Sample, how: How) -> str:
    """Up to the end, the opening mark or the limit: where the prompt wants a text, a wish to draw ends it."""
    draws, text = rng(how.seed, "draw", begin.id, len(begin.segments)), ""
    for _ in range(how.max_text_tokens):
        token = slow_token(of, begin, Text(text, learn=True), how, draws, ())
        if token in (of.wording.open, of.wording.end):
            break
        text += of.wording.decode([token])
    return text


def slow_token(of: UnifiedModel, begin: Sample, text: Text, how: How, draws, barred: tuple[int, ...]) -> int:
    hidden, sequence = slow_hidden(of, begin, text, how)
    assert sequence.ids[-1] == of.wording.end and sequence.predicts[-2] == len(sequence) - 1
    scores = of.backbone.text_logits(hidden[None, -2])
    scores[:, list(barred)] = -torch.inf
    return pick(scores, replace(how, temperature=how.of_texts), [draws]).item()


# The engine -----------------------------------------------------------------------------------------------------------


@lru_cache
def slowly(how: str, order: str = "raster") -> list:
    return [slow_fill(model("sdpa", order), sample, HOWS[how]) for sample in SAMPLES]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("path", ["auto", "sdpa"])
@pytest.mark.parametrize("batch_size", [len(SAMPLES), 1, 4])
def test_the_engine_fills_a_turn_as_the_slow_way_does(how, path, batch_size):
    filled = fill(model(path), SAMPLES, HOWS[how], batch_size)
    assert [said(sample) for sample in filled] == slowly(how)


@pytest.mark.parametrize("how", ["greedy", "texts apart"])
def test_the_same_holds_in_random_order(how):
    assert [said(sample) for sample in fill(model("auto", "random"), SAMPLES, HOWS[how])] == slowly(how, "random")


def test_as_many_steps_as_tokens_draw_within_a_turn_what_one_token_at_a_time_draws():
    of = model("auto", "random")
    one, same, few = (
        list(map(said, fill(of, SAMPLES, replace(HOWS["guided"], draw_steps=steps)))) for steps in (0, SIDE * SIDE, 2)
    )
    assert one == same != few


def shape(found: list) -> str:
    """`t` and `i` of the texts and images that came out."""
    return "".join("t" if isinstance(part, str) else "i" for part in found)


def test_what_comes_out_is_of_every_shape_so_that_agreement_means_something():
    shapes = Counter()
    for how in HOWS:
        for sample, found in zip(SAMPLES, slowly(how), strict=True):
            if sample.segments[-1] == TURN and sample.segments.count(TURN) == 1:
                shapes[shape(found[len(sample.segments) - 1 :])] += 1
    assert {"t", "i"} <= set(shapes) and {"ti", "it"} & set(shapes) and {"iti", "tit", "titi", "ii"} & set(shapes), shapes
    assert slowly("greedy") != slowly("sampled")


def test_a_turn_keeps_its_limits_and_says_no_empty_text_beside_a_picture():
    for how in HOWS:
        for sample, found in zip(SAMPLES, slowly(how), strict=True):
            if isinstance(sample.segments[-1], OpenTurn) and sample.segments.count(TURN) <= 1:
                turn, came = sample.segments[-1], found[len(sample.segments) - 1 :]
                texts = [part for part in came if isinstance(part, str)]
                assert shape(came).count("i") <= turn.max_images and len("".join(texts)) <= turn.max_text_tokens
                assert all(texts) or came == [""]
    assert {shape(found[1:]) for sample, found in zip(SAMPLES, slowly("greedy"), strict=True) if "no pict" in sample.id} == {
        "t"
    }


def test_a_filled_turn_is_laid_out_as_it_was_written():
    """Teacher-forced on what came out, every token that it decided on is the likeliest: the end and the marks as well."""
    of = model("sdpa")
    for sample in fill(of, [s for s in SAMPLES if s.segments[-1] == TURN], HOWS["greedy"]):
        hidden, sequence = slow_hidden(of, replace(sample, segments=sample.segments[:-1]), sample.segments[-1], HOWS["greedy"])
        first = 1 + max((at for at, id in enumerate(sequence.ids) if id == of.wording.end), default=0)
        at = np.flatnonzero(np.isin(sequence.duty, (Duty.TEXT, Duty.MARK)))
        limited = sum(len(s.content) for s in sample.segments if isinstance(s, Text) and s.learn) >= TURN.max_text_tokens
        assert first and len(at)
        with torch.inference_mode():
            likeliest = of.backbone.text_logits(hidden[at]).argmax(-1).tolist()
        wrong = [(a, b) for a, b in zip(likeliest, sequence.ids[sequence.predicts[at]].tolist(), strict=True) if a != b]
        # At a limit the turn was ended, or kept from drawing, against its will.
        images = sum(isinstance(s, Image) and s.learn for s in sample.segments)
        assert not wrong or limited or images == TURN.max_images, sample.id


def test_a_picture_of_a_turn_is_drawn_one_token_at_a_time_without_laying_anything_out(monkeypatch):
    engine = Engine(model(), HOWS["guided"])
    with torch.inference_mode():
        engine.add([sample for sample in SAMPLES if sample.segments[-1] == TURN])
        assert isinstance(engine.memory.cache, LeanCache)
        laid = Counter()
        plain = Entering.chunks
        monkeypatch.setattr(Entering, "chunks", lambda *a: laid.update(["chunks"]) or plain(*a))
        steps = 0
        while engine.active:
            engine.step()
            steps += 1
    assert steps > 2 * SIDE * SIDE and laid["chunks"] < steps / 2


def test_parts_to_be_kept_stay_with_their_pictures_when_a_turn_before_them_grows():
    row = Region(0, 0, 1, 1 / 3)
    kept = Image(DRAWN.content, learn=True, keep=row)
    before = [PATTERNS[name][:-1] for name in ("a request", "a request that takes longer to make", "a question", "unasked")]
    samples = [Sample(f"kept {n}", (*segments, TURN, Text("on"), kept)) for n in range(3) for segments in before]
    filled = list(map(said, fill(model(), samples, HOWS["texts apart"])))
    assert {found[-1][:SIDE] == said(Sample("x", (DRAWN,)))[0][:SIDE] for found in filled} == {True}
    assert len({len(found) - len(sample.segments) for sample, found in zip(samples, filled, strict=True)}) > 1


@pytest.mark.parametrize("head", [{}, {"form": "ddpm"}, {"form": "flow", "order": "random"}], ids=["cosine", "ddpm", "flow"])
def test_a_turn_draws_what_the_same_prompt_draws_that_says_where_pictures_come_for_continuous_tokens_too(head):
    of = eager(continuous.model.__wrapped__(**head, learn_marks=True))
    sampled = {"temperature": 1.0, "sampling_steps": 3} if "form" in head else {}
    how = How(text_temperature=0.0, guidance=2.0, seed=2, max_text_tokens=4, **sampled)
    open_turns = [sample for sample in SAMPLES if sample.segments[-1] == TURN and not any(s is DRAWN for s in sample.segments)]
    open_turns = [replace(s, segments=tuple(x for x in s.segments if not isinstance(x, Image))) for s in open_turns]
    grown = ran(of, open_turns, how)
    told = [
        replace(
            row.sample,
            segments=tuple(
                replace(s, content=of.wording.decode(row.written[at])) if at in row.written else s
                for at, s in enumerate(row.sample.segments)
            ),
        )
        for row in grown
    ]
    assert sum(len(row.drawn) for row in grown) >= 6
    for sample, row in zip(told, grown, strict=True):
        [same] = ran(of, [sample], how)
        assert same.drawn.keys() == row.drawn.keys()
        for at, tokens in same.drawn.items():
            np.testing.assert_allclose(tokens, row.drawn[at], rtol=0, atol=1e-3)


def ran(of: UnifiedModel, samples: list[Sample], how: How) -> list[Row]:
    engine = Engine(of, how)
    with torch.inference_mode():
        engine.add(samples)
        while engine.active:
            engine.step()
    return engine.rows


# What is refused ------------------------------------------------------------------------------------------------------


def test_a_model_that_learned_no_marks_refuses_open_turns():
    with pytest.raises(ConfigError, match=r"--set model.learn_marks=true\.$"):
        fill(grey.model(), [SAMPLES[0]])


def test_limits_that_mean_nothing_are_refused():
    for wrong in ((0, 1), (4, -1)):
        with pytest.raises(DataError, match="expected at least 1 and 0"):
            OpenTurn(*wrong)


def test_a_turn_that_may_grow_beyond_the_context_is_refused_before_anything_runs():
    asked = Sample("long", (Text("draw a cat"), OpenTurn(6, 2)))
    assert Engine(model(), How()).length(asked) == len("^draw a cat") + 6 + 1 + 2 * (SIDE * SIDE + 2) == 40
    with pytest.raises(DataError, match="may take 40 tokens and the model's context holds 39"):
        fill(model(max_tokens=39), [asked])
    assert fill(model(max_tokens=40), [asked])


# Conversations as they come ---------------------------------------------------------------------------------------------

words = st.text("ab", min_size=1, max_size=3)
spoken = st.one_of(
    st.builds(Text, words),
    st.sampled_from(GIVEN),
    st.builds(Text, words, st.just(True)),
    st.just(DRAWN),
    st.sampled_from([READ, DRAW, OpenTurn(3, 1), OpenTurn(4, 2)]),
)
talks = st.lists(spoken, min_size=1, max_size=5).map(lambda segments: (Text("so"), *segments, OpenTurn(4, 1)))


@given(found=st.lists(talks, min_size=3, max_size=3))
@settings(max_examples=10, deadline=None)
def test_any_conversation_is_filled_as_the_slow_way_does_in_one_batch(found):
    samples = [Sample(f"talk {number}", segments) for number, segments in enumerate(found)]
    how = How(max_text_tokens=3, guidance=2.0)
    filled = fill(model(), samples, how)
    assert list(map(said, filled)) == [slow_fill(model("sdpa"), sample, how) for sample in samples]
    assert all(segment.content is not None for sample in filled for segment in sample.segments)
