"""Drawing in place: the engine, with cache and batch, against the slow way, which runs the whole sequence anew at every look.

The slow way lays out what is there so far, writes the embeddings of the picture's block by hand, and decodes by hand.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import torch

import continuous
import grey
import tiny
from bothways.backbones.backbone import Reads
from bothways.backbones.lean import LeanCache
from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.region import Region
from bothways.core.sample import AS_BOTH, ArrayPicture, Image, OpenTurn, Sample, Segment, Text
from bothways.generate.drawn import drawn
from bothways.generate.engine import Engine
from bothways.heads.choose import How, guided, pick
from bothways.layout.batch import collate
from bothways.layout.order import tokens_per_step
from bothways.layout.sequence import Content, Sequence
from bothways.model.unified import UnifiedModel
from continuous import DIM, SIDE, Tokens, attached

N = SIDE * SIDE
assert grey.SIDE == SIDE
PICTURES = [
    ArrayPicture(rng(0, "in place", number).integers(0, 16, (SIDE, SIDE, 1), dtype=np.uint8).repeat(3, 2) * 17, f"p{number}")
    for number in range(3)
]
READ, DRAW, GIVEN = Text(None, learn=True), Image(None, learn=True), Image(PICTURES[0], views=AS_BOTH)
PATTERNS: dict[str, tuple[Segment, ...]] = {
    "drawing": (Text("draw a cat"), DRAW),
    "drawing what takes longer to say": (Text("draw a cat that sleeps"), DRAW),
    "drawing unasked": (DRAW,),
    "drawing, then text": (Text("draw and tell"), DRAW, READ),
    "text, then drawing": (Text("tell and draw"), READ, DRAW),
    "editing": (GIVEN, Text("red"), DRAW, Text("and why"), READ, DRAW),
    "two drawings": (DRAW, DRAW),
    "after a picture that was drawn before": (Text("one"), Image(PICTURES[1], learn=True), Text("more"), DRAW),
    "inpainting": (Text("a cat"), Image(PICTURES[1], learn=True, keep=Region(0, 0, 1, 1 / 3)), READ),
    "keeping all but a corner": (GIVEN, Text("a cat"), Image(PICTURES[2], learn=True, keep=Region(0, 0, 2 / 3, 1))),
    "only reading": (GIVEN, Text("what"), READ),
}
SAMPLES = [Sample(name, segments) for name, segments in PATTERNS.items()]


def model(kind: str, path: str = "auto", **changes) -> UnifiedModel:
    if kind == "masked":
        return grey.model(path, head="masked", **changes)
    return continuous.model(form="flow", path=path, in_place=True, **changes)


HOWS = {
    "masked": {
        "a token a step": How(max_text_tokens=3),
        "one step": How(max_text_tokens=3, draw_steps=1),
        "four steps": How(max_text_tokens=3, draw_steps=4),
        "guided and sampled": How(
            max_text_tokens=3, draw_steps=3, temperature=0.8, guidance=2.0, guidance_ramp="linear", seed=3
        ),
    },
    "denoise": {
        "one step": How(max_text_tokens=3, temperature=1.0, sampling_steps=1),
        "four steps": How(max_text_tokens=3, temperature=1.0, sampling_steps=4, seed=2),
        "guided": How(max_text_tokens=3, temperature=0.7, sampling_steps=3, guidance=2.5, guidance_ramp="linear"),
    },
}
CASES = [(kind, name) for kind, hows in HOWS.items() for name in hows]


# The slow, obvious way ------------------------------------------------------------------------------------------------


@torch.inference_mode()
def slow_fill(of: UnifiedModel, asked: Sample, how: How) -> list:
    """What each segment to be written got: a text, or tokens in raster order."""
    done, found = [], []
    for index, segment in enumerate(asked.segments):
        if segment.to_write:
            draws = rng(how.seed, "draw", asked.id, index)
            if isinstance(segment, Text):
                found.append(slow_text(of, asked, done, how, draws))
                segment = replace(segment, content=found[-1])
            else:
                draw = slow_masked if of.config.head.kind == "masked" else slow_denoise
                found.append(draw(of, asked, done, segment, how, draws))
                segment = Image(Tokens(found[-1]), learn=True)
        done.append(segment)
    return found


def slow_text(of: UnifiedModel, asked: Sample, done: list[Segment], how: How, draws: np.random.Generator) -> str:
    ids: list[int] = []
    while len(ids) < how.max_text_tokens:
        sample = replace(asked, segments=(*done, Text(of.wording.decode(ids), learn=True)))
        sequence = of.lay_out(sample)
        hidden = of.hidden(attached(of, collate([sequence], [sample])))[0]
        [token] = pick(of.backbone.text_logits(hidden[None, -2]), how, [draws]).tolist()  # the last one holds the end of turn
        if token == of.wording.end:
            break
        ids.append(token)
    return of.wording.decode(ids)


def kept_of(of: UnifiedModel, segment: Image) -> tuple[np.ndarray, np.ndarray]:
    """The places of a picture that are kept, and all of its tokens."""
    if segment.keep is None:
        return np.array([], dtype=np.int64), np.zeros((N, DIM), dtype=np.float32)
    return segment.keep.places((SIDE, SIDE)), of.encodings.learned.tokens([segment.content])[0].numpy()


def looks(
    of: UnifiedModel, asked: Sample, done: list[Segment], how: How, block: torch.Tensor, predicted: list[int]
) -> list[torch.Tensor]:
    """Hidden states of the block "N D", with those of the unguided sequence behind them where there is guidance. Where a token
    is predicted, what the picture to be edited has there is added, in models that see it aligned."""
    found = []
    for drop in (frozenset(), asked.guided_by) if how.guidance != 1 else (frozenset(),):
        zeros = np.zeros(N, dtype=np.int64) if of.config.head.kind == "masked" else np.zeros((N, DIM), dtype=np.float32)
        sample = replace(asked, segments=(*done, Image(Tokens(zeros), learn=True)))
        sequence = of.lay_out(sample, drop)
        [start] = [s.start for s in sequence.images if s.segment == len(done) and not s.copy]
        assert sequence.private[start : start + N].all()
        batch = attached(of, collate([sequence], [sample]))
        x = of.embed(batch)
        x[0, start : start + N] = block
        edited = sample.edited_in(len(done)) if "image" not in drop else None
        if of.source_projector is not None and edited is not None:
            [tokens] = of.encodings.learned.tokens([sample.segments[edited].content])
            x[0, [start + place for place in predicted]] += of.embed_source(tokens)[predicted]
        reads = Reads.within(batch.doc, batch.block, batch.private, batch.drawing)
        found.append(of.backbone.run(x, reads, batch.position)[0, start : start + N])
    return found


def slow_masked(of, asked: Sample, done: list[Segment], segment: Image, how: How, draws: np.random.Generator) -> np.ndarray:
    known, true = kept_of(of, segment)
    tokens = {int(place): int(true[place]) for place in known}
    num_asked = N - len(tokens)
    plan = tokens_per_step(num_asked, min(how.draw_steps or num_asked, num_asked))
    for step, count in enumerate(plan, start=1):
        rows = []
        for place in torch.arange(N):
            if int(place) in tokens:
                content = of.learned_projector.content(2.0 * of.learned.book[tokens[int(place)]])  # codes have 4 channels
            else:
                content = of.in_place.hidden_embedding[0]
            rows.append(content + of.learned_projector.places(place[None])[0])
        open_ = [place for place in range(N) if place not in tokens]
        own, *other = looks(of, asked, done, how, torch.stack(rows), open_)
        scale = (
            how.guidance
            if how.guidance_ramp == "constant"
            else 1 + (how.guidance - 1) * ((len(tokens) - len(known) + count) / num_asked)
        )
        drawn = {}
        for place in open_:
            logits = of.head.logits(own[None, place])
            scores = guided(logits, of.head.logits(other[0][None, place]), scale) if other else logits
            [token] = pick(scores, how, [draws]).tolist()
            drawn[place] = token, float(logits.log_softmax(-1)[0, token])
        if how.temperature:
            noise = how.temperature * (1 - step / len(plan))
            drawn = {place: (token, sure + noise * draws.gumbel()) for place, (token, sure) in drawn.items()}
        for place in sorted(open_, key=lambda place: -drawn[place][1])[:count]:
            tokens[place] = drawn[place][0]
    return np.array([tokens[place] for place in range(N)])


def slow_denoise(of, asked: Sample, done: list[Segment], segment: Image, how: How, draws: np.random.Generator) -> np.ndarray:
    known, true = kept_of(of, segment)
    stays = np.zeros((N, DIM), dtype=np.float32)
    if len(known):
        stays = how.temperature * draws.standard_normal((N, DIM), dtype=np.float32)
    x = torch.from_numpy(how.temperature * draws.standard_normal((N, DIM), dtype=np.float32))
    times = np.linspace(1, 0, how.sampling_steps + 1)
    for now, then in pairwise(times):
        x[known] = torch.from_numpy(((1 - now) * true + now * stays)[known].astype(np.float32))
        rows = of.learned_projector(x, torch.arange(N)) + of.in_place.time(torch.full((N,), 1000 * now))
        seen = looks(of, asked, done, how, rows, [place for place in range(N) if place not in known])
        velocity, *other = (of.head.zero_prediction(states) for states in seen)
        if other:
            velocity = guided(velocity, other[0], how.guidance if how.guidance_ramp == "constant" else 1 + 1.5 * (1 - now))
        x = x + (then - now) * velocity
    x[known] = torch.from_numpy(true[known])
    return x.numpy()


# The engine -----------------------------------------------------------------------------------------------------------


def quickly(of: UnifiedModel, samples: list[Sample], how: How, batch_size: int = len(SAMPLES)) -> list[list]:
    found = []
    for start in range(0, len(samples), batch_size):
        engine = Engine(of, how)
        with torch.inference_mode():
            engine.add(samples[start : start + batch_size])
            while engine.active:
                engine.step()
        for row in engine.rows:
            asked = [index for index, segment in enumerate(row.sample.segments) if segment.to_write]
            found.append([row.drawn[i] if i in row.drawn else of.wording.decode(row.written[i]) for i in asked])
    return found


@lru_cache
def slowly(kind: str, name: str) -> list[list]:
    return [slow_fill(model(kind, "sdpa"), sample, HOWS[kind][name]) for sample in SAMPLES]


def assert_same(found: list[list], expected: list[list]) -> None:
    assert len(found) == len(expected)
    for sample, one, other in zip(SAMPLES, found, expected, strict=True):
        assert len(one) == len(other), sample.id
        for a, b in zip(one, other, strict=True):
            if isinstance(a, str) or a.dtype == np.int64:
                assert np.array_equal(a, b), (sample.id, a, b)
            else:
                np.testing.assert_allclose(a, b, rtol=0, atol=2e-4, err_msg=sample.id)


@pytest.mark.parametrize("path", ["auto", "sdpa"])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_engine_draws_in_place_what_the_slow_way_draws(kind: str, name: str, path: str):
    assert_same(quickly(model(kind, path), SAMPLES, HOWS[kind][name]), slowly(kind, name))


@pytest.mark.parametrize(("kind", "name"), [("masked", "guided and sampled"), ("denoise", "guided"), ("masked", "four steps")])
def test_an_edit_sees_the_picture_before_at_every_place_that_is_predicted(kind: str, name: str):
    of, how = model(kind, "sdpa", aligned_source=True), HOWS[kind][name]
    edits = [sample for sample in SAMPLES if sample.segments[0] is GIVEN and sample.learns_image]
    expected = [slow_fill(of, sample, how) for sample in SAMPLES]
    assert_same(quickly(model(kind, aligned_source=True), SAMPLES, how), expected)
    for sample, one, other in zip(SAMPLES, expected, slowly(kind, name), strict=True):
        assert (str(one) != str(other)) == (sample in edits)


@pytest.mark.parametrize("path", ["auto", "sdpa"])
@pytest.mark.parametrize(("kind", "name"), [("masked", "guided and sampled"), ("denoise", "guided")])
def test_the_same_holds_where_positions_that_draw_have_layers_of_their_own(kind: str, name: str, path: str):
    of, how = model(kind, "sdpa", drawing_layers=1), HOWS[kind][name]
    expected = [slow_fill(of, sample, how) for sample in SAMPLES]
    assert_same(quickly(model(kind, path, drawing_layers=1), SAMPLES, how), expected)
    assert str(expected) != str(slowly(kind, name))


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(("kind", "name"), [("masked", "guided and sampled"), ("denoise", "guided")])
def test_a_sample_gets_the_same_alone_as_in_any_batch(kind: str, name: str, batch_size: int):
    assert_same(quickly(model(kind), SAMPLES, HOWS[kind][name], batch_size), slowly(kind, name))


def test_what_is_drawn_depends_on_the_settings_and_what_was_asked_so_that_agreement_means_something():
    for kind, hows in HOWS.items():
        pictures = [str(slowly(kind, name)[at][0]) for name in hows for at in (0, 1, 2)]
        assert len(set(pictures)) >= len(pictures) - 1
    texts = [slowly("masked", name)[3][1] for name in HOWS["masked"]]
    assert len(set(texts)) > 1, "what follows reads the picture that was drawn"


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_what_is_kept_comes_back_token_for_token_and_the_rest_is_drawn(kind: str, name: str):
    for sample, found in zip(SAMPLES, slowly(kind, name), strict=True):
        for segment in sample.segments:
            if isinstance(segment, Image) and segment.keep is not None:
                places, true = kept_of(model(kind), segment)
                assert (found[0][places] == true[places]).all() and (found[0] != true).any()


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("kind", HOWS)
def test_a_picture_leaves_nothing_in_the_cache_but_its_clean_copy(kind: str, guidance: float):
    engine = Engine(model(kind), replace(HOWS[kind]["four steps"], guidance=guidance))
    with torch.inference_mode():
        engine.add([Sample("one", (Text("draw"), DRAW, READ)), Sample("another", (Text("draw"), DRAW, READ))])
        engine.step()
        assert isinstance(engine.memory.cache, LeanCache)
        assert engine.memory.cache._filled == engine.memory.doc.shape[1] == len("^draw<")
        engine.step()
        assert engine.memory.cache._filled == engine.memory.doc.shape[1] == len("^draw<") + N + len(">")
        assert not engine.memory.private.any()


@pytest.mark.parametrize("kind", HOWS)
def test_a_model_that_decides_to_draw_draws_in_place_and_goes_on(kind: str):
    """The opening mark and the end of turn are learned, and both read what comes before them, the picture too."""
    of = model(kind, learn_marks=True)
    asked = Sample("talk", (Text("draw"), OpenTurn(max_text_tokens=2, max_images=1)))
    engine = Engine(of, HOWS[kind]["four steps"])
    with torch.inference_mode():
        engine.add([asked])
        # Weights are random: the mark is put into the model's mouth.
        engine._chunks[0] = engine.rows[0].take([of.wording.open])
        while engine.active:
            engine.step()
    [picture] = engine.rows[0].drawn.values()
    assert len(picture) == N and np.isfinite(picture).all()
    taught = of.lay_out(Sample("taught", (Text("draw"), Image(PICTURES[0], learn=True))))
    assert [span.copy for span in taught.images] == [False, True], "the learned end of turn reads the clean copy"


def test_a_hidden_token_is_its_place_and_a_noised_one_its_value_its_place_and_its_time():
    for kind in HOWS:
        of = model(kind)
        sample = Sample("x", (Text("draw"), Image(PICTURES[0], learn=True)))
        sequence: Sequence = of.lay_out(sample)
        batch = attached(of, collate([sequence], [sample]))
        before = of.embed(batch)[0]
        tokens = batch.learned_tokens
        batch.learned_tokens = (tokens + 1) % grey.CODES if tokens.dtype == torch.long else tokens + 1
        moved = ((of.embed(batch)[0] - before).abs().amax(-1) > 0).numpy()
        assert not moved[sequence.content == Content.HIDDEN].any()
        assert moved[sequence.content == Content.NOISED].all()
        batch.share = 0.1
        again = of.embed(batch)[0]
        batch.share = 0.9
        changed = ((of.embed(batch)[0] - again).abs().amax(-1) > 0).numpy()
        assert (changed == (sequence.content == Content.NOISED)).all()


def test_orders_and_steps_that_mean_nothing_in_place_are_refused():
    drawing = [Sample("x", (DRAW,))]
    for kind in HOWS:
        with pytest.raises(ConfigError, match=r"order `random` means nothing where tokens are predicted in place"):
            quickly(model(kind), drawing, How(order="random"))
        with pytest.raises(ConfigError, match=f"`{kind}` draws whole pictures in place, so no token comes before another"):
            drawn(model(kind), drawing, How())
        with pytest.raises(ConfigError, match=r"order `mixed` means nothing where tokens are predicted in place"):
            tiny.config(head={"kind": kind}, order="mixed")
    with pytest.raises(ConfigError, match=r"takes noise off all tokens .* set sampling_steps"):
        quickly(model("denoise"), drawing, How(draw_steps=2))
    with pytest.raises(ConfigError, match="Found sampler euler for drawings, and the head `masked`"):
        quickly(model("masked"), drawing, How(sampler="euler"))
    with pytest.raises(ConfigError, match="`ddim` does not fit diffusion of the form `flow`"):
        quickly(model("denoise"), drawing, How(sampler="ddim"))
