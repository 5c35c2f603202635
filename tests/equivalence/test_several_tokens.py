"""Several tokens a step, any order and kept parts: the engine against one pass over the whole sequence, without a cache.

The slow way writes its sequence down position by position: what is known, in order, then the places asked for, each by a
private position that holds the last known token.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

import grey
from bothways.backbones.backbone import Reads
from bothways.backbones.lean import LeanCache
from bothways.core.errors import ConfigError, DataError
from bothways.core.randomness import rng, shuffled
from bothways.core.region import REGIONS, Region
from bothways.core.sample import ArrayPicture, Image, Sample, Segment, Text
from bothways.generate.engine import Engine, fill
from bothways.heads.choose import How, guided, pick
from bothways.layout.batch import collate
from bothways.layout.order import tokens_per_step
from bothways.model.unified import UnifiedModel
from grey import CODES, SIDE, picture_of, tokens_of

N = SIDE * SIDE
PICTURES = [picture_of(rng(0, "given", number).integers(0, CODES, N)) for number in range(3)]
READ, DRAW, GIVEN = Text(None, learn=True), Image(None, learn=True), Image(PICTURES[2])
ROW, COLUMN = Region(0, 0, 1, 1 / 3), Region(0.6, 0, 1, 1)  # of 3 x 3 cells: the first row, the last column


def kept(number: int, region: Region) -> Image:
    return Image(PICTURES[number], learn=True, keep=region)


PATTERNS: dict[str, tuple[Segment, ...]] = {
    "drawing": (Text("draw a cat"), DRAW),
    "drawing what takes longer to say": (Text("draw a cat that sleeps"), DRAW),
    "drawing unasked": (DRAW,),
    "drawing, then text": (Text("draw and tell"), DRAW, READ),
    "text, then drawing": (Text("tell and draw"), READ, DRAW),
    "editing": (GIVEN, Text("red"), DRAW, Text("and why"), READ, DRAW),
    "two drawings": (DRAW, DRAW),
    "only reading": (GIVEN, Text("what"), READ),
    "going on": (Text("go on"), kept(0, ROW)),
    "inpainting": (Text("a cat"), kept(1, COLUMN), READ),
    "inpainting what is given": (GIVEN, Text("a cat"), kept(2, Region(0, 0, 0.7, 0.7)), kept(0, COLUMN)),
}
SAMPLES = [Sample(name, segments) for name, segments in PATTERNS.items()]
CAT = Sample("cat", (Text("draw a cat"), DRAW))
STEPS = {steps: How(max_text_tokens=4, draw_steps=steps, seed=2) for steps in (0, 1, 2, 4, 7, N)}
HOWS = {
    "guided": How(guidance=3.0, max_text_tokens=4, draw_steps=3),
    "sampled": How(temperature=1.0, top_k=6, seed=3, max_text_tokens=4, draw_steps=4),
    "both, in raster order": How(temperature=0.7, guidance=2.0, seed=1, max_text_tokens=3, draw_steps=5, order="raster"),
}


# The slow, obvious way ------------------------------------------------------------------------------------------------


@torch.inference_mode()
def slow_fill(of: UnifiedModel, asked: Sample, how: How) -> Sample:
    done: list[Segment] = []
    for index, segment in enumerate(asked.segments):
        if segment.to_write and isinstance(segment, Text):
            segment = replace(segment, content=slow_text(of, asked, done, how))
        elif segment.to_write:
            segment = Image(slow_image(of, asked, done, how), learn=True)
        assert len(done) == index
        done.append(segment)
    return replace(asked, segments=tuple(done))


def slow_text(of: UnifiedModel, asked: Sample, done: list[Segment], how: How) -> str:
    draws, ids = rng(how.seed, "draw", asked.id, len(done)), []
    while len(ids) < how.max_text_tokens:
        columns = columns_of(of, asked, [*done, Text(of.wording.decode(ids), learn=True)], frozenset(), how)
        hidden = run(of, {name: vector[:-1] for name, vector in columns.items()})  # without the end-of-turn token
        [token] = pick(of.backbone.text_logits(hidden[None, -1]), how, [draws]).tolist()
        if token == of.wording.end:
            break
        ids.append(token)
    return of.wording.decode(ids)


def slow_image(of: UnifiedModel, asked: Sample, done: list[Segment], how: How) -> ArrayPicture:
    index = len(done)
    draws, tokens = rng(how.seed, "draw", asked.id, index), np.full(N, -1)
    order, known = order_of(asked, index, how)
    if known:
        tokens[known] = np.array(tokens_of(asked.segments[index].content))[known]
    first, left = len(known), N - len(known)
    for count in tokens_per_step(left, min(how.draw_steps or left, left)):
        places = order[first : first + count]
        states = [
            slow_answers(of, columns_of(of, asked, [*done, DRAW], drop, how), tokens, order[:first], places)
            for drop in (frozenset(), asked.guided_by)
        ]
        own, unguided = map(of.head.logits, states)
        logits = guided(own, unguided, how.guidance) if how.guidance != 1 else own
        tokens[places] = pick(logits, how, [draws] * count).numpy()
        first += count
    return picture_of(tokens)


def order_of(asked: Sample, index: int, how: How) -> tuple[list[int], list[int]]:
    """The places of an image in the order in which they are written, and how many of them are known from the first."""
    order = shuffled(N, how.seed, "order", asked.id, index, 0).tolist() if how.order != "raster" else list(range(N))
    keep = asked.segments[index].keep
    known = [] if keep is None else [place for place in order if place in keep.places((SIDE, SIDE))]
    return [*known, *(place for place in order if place not in known)], known


def columns_of(
    of: UnifiedModel, asked: Sample, segments: list[Segment], drop: frozenset[str], how: How
) -> dict[str, torch.Tensor]:
    """Embeddings and layout of the segments as they stand; tokens of pictures drawn before are put in their order by hand."""
    sample = replace(asked, segments=tuple(segments))
    sequence = of.lay_out(sample, drop)
    batch = of.attach(collate([sequence], [sample]))
    x = of.embed(batch)[0]
    for span in sequence.images:
        if span.learn:
            order, _ = order_of(asked, span.segment, how)
            tokens = torch.tensor(tokens_of(segments[span.segment].content))[order]
            ahead = torch.tensor([*order[1:], -1])
            x[span.start : span.start + N] = of.embed_drawn(tokens, torch.tensor(order), ahead)
            x[span.start - 1] = asking_mark(of, order[0])
    return {"x": x} | {name: getattr(batch, name)[0] for name in ("doc", "block", "private", "position", "drawing")}


def asking_mark(of: UnifiedModel, place: int) -> torch.Tensor:
    return of.backbone.embed(torch.tensor(of.wording.open)) + of.next_place(torch.tensor([place]))[0]


def run(of: UnifiedModel, columns: dict[str, torch.Tensor]) -> torch.Tensor:
    one = {name: vector[None] for name, vector in columns.items()}
    reads = Reads.within(one["doc"], one["block"], one["private"], one["drawing"])
    return of.backbone.run(one["x"], reads, one["position"])[0]


def slow_answers(
    of: UnifiedModel, columns: dict[str, torch.Tensor], tokens: np.ndarray, known: list[int], places: list[int]
) -> torch.Tensor:
    """Hidden states of the private positions that ask for `places`, after the tokens at the places `known`.

    `columns`: what stands before, up to the opening mark, which asks itself while nothing is known.
    """

    def drawn(place: int, ahead: int) -> torch.Tensor:
        return of.embed_drawn(torch.tensor([tokens[place]]), torch.tensor([place]), torch.tensor([ahead]))

    order, m, k = [*known, *places], len(known), len(places)
    written = [asking_mark(of, order[0])[None], *(drawn(place, order[at + 1]) for at, place in enumerate(known))][:-1]
    asking = [drawn(known[-1], place) if known else asking_mark(of, place)[None] for place in places]
    before = {name: vector[:-1] for name, vector in columns.items()}
    block, position = int(columns["block"][-1]), int(columns["position"][-1])
    after = {
        "x": torch.cat([*written, *asking]),
        "doc": torch.zeros(m + k, dtype=torch.long),
        "block": block + torch.arange(m + k),
        "private": torch.arange(m + k) >= m,
        "position": position + torch.arange(m + k).clamp_max(m),
        "drawing": torch.ones(m + k, dtype=torch.bool),
    }
    return run(of, {name: torch.cat([before[name], after[name]]) for name in before})[-k:]


# The engine -----------------------------------------------------------------------------------------------------------


def said(sample: Sample) -> list:
    return [s.content if isinstance(s, Text) else tokens_of(s.content) for s in sample.segments]


@lru_cache
def slowly(how: How, drawing_layers: int = 0) -> list:
    of = grey.model("sdpa", "random", drawing_layers=drawing_layers)
    return [said(slow_fill(of, sample, how)) for sample in SAMPLES]


@pytest.mark.parametrize("path", ["auto", "sdpa"])
@pytest.mark.parametrize("how", [*STEPS.values(), *HOWS.values()], ids=[*map(str, STEPS), *HOWS])
def test_the_engine_draws_several_tokens_a_step_as_the_slow_way_does(how: How, path: str):
    filled = fill(grey.model(path, "random"), SAMPLES, how)
    assert [said(sample) for sample in filled] == slowly(how)


@pytest.mark.parametrize("how", [STEPS[4], HOWS["guided"]], ids=["plain", "guided"])
@pytest.mark.parametrize("path", ["auto", "sdpa"])
def test_the_same_holds_where_positions_that_draw_have_layers_of_their_own(how: How, path: str):
    filled = fill(grey.model(path, "random", drawing_layers=1), SAMPLES, how)
    assert [said(sample) for sample in filled] == slowly(how, 1) != slowly(how)


@pytest.mark.parametrize("how", [STEPS[4], HOWS["guided"]], ids=["plain", "guided"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_sample_gets_the_same_alone_as_in_any_batch(how: How, batch_size: int):
    filled = fill(grey.model("auto", "random"), SAMPLES, how, batch_size)
    assert [said(sample) for sample in filled] == slowly(how)


def test_as_many_steps_as_tokens_draw_what_one_token_at_a_time_draws():
    assert slowly(STEPS[N]) == slowly(STEPS[0])
    for how in HOWS.values():
        of = grey.model("auto", "random")
        one, same = (fill(of, SAMPLES, replace(how, draw_steps=steps)) for steps in (0, N))
        assert list(map(said, one)) == list(map(said, same))


@torch.inference_mode()
def test_one_question_among_several_has_the_state_that_it_has_alone():
    of, tokens = grey.model("sdpa", "random"), np.arange(N)
    columns = columns_of(of, CAT, [*CAT.segments], frozenset(), How())
    for known in ([], [4, 0, 7]):
        asked = [place for place in range(N) if place not in known]
        together = slow_answers(of, columns, tokens, known, asked)
        alone = [slow_answers(of, columns, tokens, known, [place]) for place in asked]
        assert together.std(0).max() > 0.1, "what is asked for matters"
        assert (together - torch.cat(alone)).abs().max() < 1e-5 * together.abs().max()


@torch.inference_mode()
def test_a_question_is_one_that_training_asks():
    """The state of a place asked for is that of the same token in a sample whose random order goes on with that place."""
    of, tokens = grey.model("sdpa", "random"), np.random.default_rng(0).integers(0, CODES, N)
    columns = columns_of(of, CAT, [*CAT.segments], frozenset(), How())
    sample = replace(CAT, segments=(CAT.segments[0], Image(picture_of(tokens), learn=True)))
    sequence = of.lay_out(sample)
    hidden = of.hidden(of.attach(collate([sequence], [sample])))[0]
    [span] = sequence.images
    for done in range(N):
        known, place = span.places[:done].tolist(), int(span.places[done])
        others = [int(other) for other in span.places[done + 1 :]]
        asked = slow_answers(of, columns, tokens, known, [place, *others])
        trained = hidden[span.start + done - 1]
        assert (asked[0] - trained).abs().max() < 1e-5 * hidden.abs().max()


def test_what_is_drawn_depends_on_the_number_of_steps_so_that_agreement_means_something():
    pictures = {steps: str(slowly(how)) for steps, how in STEPS.items() if steps != N}
    assert len(set(pictures.values())) == len(pictures)
    drawn = [segment for sample in slowly(STEPS[4]) for segment in sample if not isinstance(segment, str)]
    assert sum(len(set(picture)) >= 3 for picture in drawn) > len(drawn) / 2


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_what_is_kept_comes_back_token_for_token_and_the_rest_is_drawn(steps: int):
    for sample, asked in zip(slowly(STEPS[steps]), SAMPLES, strict=True):
        for found, segment in zip(sample, asked.segments, strict=True):
            if isinstance(segment, Image) and segment.keep is not None:
                places = segment.keep.places((SIDE, SIDE))
                true = np.array(tokens_of(segment.content))
                assert (np.array(found)[places] == true[places]).all() and (np.array(found) != true).any()


@pytest.mark.parametrize("path", ["auto", "sdpa"])
@pytest.mark.parametrize("steps", [1, 3, N])
def test_a_picture_takes_so_many_calls_and_leaves_its_tokens_alone_in_the_cache(path: str, steps: int):
    engine = Engine(grey.model(path, "random"), How(draw_steps=steps, guidance=2.0))
    drawn, lasting = 0, len("^draw a cat<")
    with torch.inference_mode():
        engine.add([CAT, replace(CAT, id="another cat")])
        for count in tokens_per_step(N, steps):
            engine.step()
            if engine.active:
                # The opening mark or the last token known was held back, and what asked is gone.
                cache = engine.memory.cache
                kept = cache._filled if isinstance(cache, LeanCache) else cache.kept.get_seq_length()
                assert kept == engine.memory.doc.shape[1] == lasting - 1 + drawn
            drawn += count
    assert not engine.active


@pytest.mark.parametrize("trained", ["raster", "random"])
@pytest.mark.parametrize("order", ["raster", "random"])
def test_the_order_of_drawing_is_chosen_apart_from_that_of_training(trained: str, order: str):
    how = How(order=order, seed=4, max_text_tokens=3)
    samples = [sample for sample in SAMPLES if not any(isinstance(s, Image) and s.keep for s in sample.segments)]
    one, other = (fill(grey.model("auto", name), samples, how) for name in (trained, order))
    assert list(map(said, one)) == list(map(said, other))
    mixed = fill(grey.model("auto", "mixed"), samples, replace(how, order=None))
    assert list(map(said, mixed)) == list(map(said, fill(grey.model("auto", "random"), samples, replace(how, order=None))))


def test_a_model_trained_in_raster_order_goes_on_from_the_top():
    [sample] = fill(grey.model("auto", "raster"), [Sample("on", (Text("go on"), kept(0, ROW)))])
    true, found = tokens_of(PICTURES[0]), tokens_of(sample.segments[1].content)
    assert found[:SIDE] == true[:SIDE] and found != true
    whole = Image(picture_of(found), learn=True)  # teacher-forced on what came out, each drawn token is the likeliest
    of, asked = grey.model("sdpa", "raster"), Sample("on", (Text("go on"), whole))
    with torch.inference_mode():
        sequence = of.lay_out(asked)
        hidden = of.hidden(of.attach(collate([sequence], [asked])))[0]
        start = sequence.images[0].start
        assert of.head.logits(hidden[start - 1 : start + N - 1]).argmax(-1).tolist()[SIDE:] == found[SIDE:]


# What is refused ------------------------------------------------------------------------------------------------------


def test_a_model_trained_in_raster_order_refuses_several_places_at_once_and_parts_that_are_no_beginning():
    of, drawing = grey.model("auto", "raster"), Sample("x", (DRAW,))
    with pytest.raises(ConfigError, match=r"never asked for any place but the next one; .*model.order=random"):
        fill(of, [drawing], How(draw_steps=2))
    for region in (COLUMN, REGIONS["bottom-half"], Region(0, 0, 0.7, 0.7)):
        with pytest.raises(ConfigError, match=r"can only go on .*model.order=random"):
            fill(of, [Sample("x", (kept(0, region),))])
    reading = Sample("x", (GIVEN, Text("what"), READ))
    assert fill(of, [reading], How(draw_steps=2, max_text_tokens=2)), "who draws nothing is asked nothing"


@pytest.mark.parametrize("steps", [N + 1, 1000])
def test_more_steps_than_tokens_are_refused(steps: int):
    with pytest.raises(ConfigError, match=rf"Found draw_steps {steps}; a picture of 9 tokens is drawn in 1 to 9 steps"):
        fill(grey.model("auto", "random"), [Sample("x", (DRAW,))], How(draw_steps=steps))
    assert fill(grey.model("auto", "random"), [Sample("x", (kept(0, ROW),))], How(draw_steps=N)), "6 are left, in 6 steps"


def test_values_that_mean_nothing_are_refused():
    with pytest.raises(ConfigError, match="draw_steps -1; expected at least 1, or 0"):
        How(draw_steps=-1)
    with pytest.raises(ConfigError, match="Did you mean `random`"):
        How(order="randon")
    for wrong in ({"content": None, "learn": True}, {"content": PICTURES[0]}):
        with pytest.raises(DataError, match="a picture that is there and is to be drawn"):
            Image(**wrong, keep=ROW)
