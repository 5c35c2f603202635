"""Drawing continuous tokens: the engine, with cache and batch, against the slow way, which runs the model anew for every token.

What is produced is compared as numbers, not as pixels, so nothing hides behind rounding to 8 bits.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.region import Region
from bothways.core.sample import ArrayPicture, Image, Sample, Text
from bothways.generate.engine import Engine
from bothways.heads.choose import How
from bothways.layout.batch import collate
from bothways.layout.sequence import Duty
from bothways.model.unified import UnifiedModel
from continuous import DIM, SIDE, Tokens, attached, model

DRAW, READ = Image(None, learn=True), Text(None, learn=True)
GIVEN = Image(ArrayPicture(rng(0, "given").integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), "given"))
SAMPLES = [
    Sample("drawing", (Text("draw a cat"), DRAW)),
    Sample("drawing another", (Text("draw what is longer than a cat"), DRAW)),
    Sample("unasked", (DRAW,)),
    Sample("editing", (GIVEN, Text("red"), DRAW)),
    Sample("two", (Text("two"), DRAW, DRAW)),
    Sample("reading", (GIVEN, Text("what is it"), READ)),
    Sample("text, then drawing", (Text("tell and draw"), READ, DRAW)),
]
HOWS = {"plain": How(max_text_tokens=4), "guided": How(guidance=2.5, max_text_tokens=4)}
MODELS = {
    "cosine": {},
    "mse": {"objective": "mse"},
    "sdpa": {"path": "sdpa"},
    "random order": {"order": "random"},
    "own projector": {"shared": False},
    "causal pictures": {"causal_given": True},
    "ddpm": {"form": "ddpm"},
    "flow": {"form": "flow", "order": "random"},
}
STEPPED = {"temperature": 1.0, "sampling_steps": 4, "seed": 5, "guidance_ramp": "linear"}  # by heads that draw in steps


def how_of(name: str, how: str) -> How:
    return replace(HOWS[how], **(STEPPED if "form" in MODELS[name] else {}))


def drawn(of: UnifiedModel, samples: list[Sample], how: How) -> list[dict[int, np.ndarray]]:
    """Tokens of every drawn segment, in raster order."""
    engine = Engine(of, how)
    with torch.inference_mode():
        engine.add(samples)
        while engine.active:
            engine.step()
    return [row.drawn for row in engine.rows], [row.written for row in engine.rows]


@torch.inference_mode()
def slowly(of: UnifiedModel, sample: Sample, texts: dict[int, list[int]], how: How) -> dict[int, np.ndarray]:
    """For every token: lay out all that is known, run the whole sequence without a cache, predict one. Texts are given."""
    found: dict[int, np.ndarray] = {}
    segments = list(sample.segments)
    for index, segment in enumerate(segments):
        if isinstance(segment, Text) and segment.content is None:
            segments[index] = replace(segment, content=of.wording.decode(texts[index]))
        if not (isinstance(segment, Image) and segment.content is None):
            continue
        tokens, draws = np.zeros((SIDE * SIDE, DIM), dtype=np.float32), rng(how.seed, "draw", sample.id, index)
        for count in range(SIDE * SIDE):
            so_far = replace(sample, segments=(*segments[:index], Image(Tokens(tokens), learn=True)))
            states = []
            for drop in (frozenset(), sample.guided_by):
                sequence = of.lay_out(so_far, drop, seed=how.seed)
                hidden = of.hidden(attached(of, collate([sequence], [so_far])))[0]
                at = sequence.images[-1].start + count
                [predictor] = np.flatnonzero((sequence.predicts == at) & (sequence.duty == Duty.IMAGE))
                states.append(hidden[predictor])
            place = int(sequence.place[at])
            if of.config.head.kind == "regression":
                tokens[place] = predicted(of, *states, how.guidance)
            else:  # whose sampling has tests of its own: here one row, one token, one generator a picture
                own, other = (state[None] for state in states)
                share = torch.tensor([(count + 1) / (SIDE * SIDE)])
                unguided = None if how.guidance == 1.0 else other
                tokens[place] = of.head.sample(own, unguided, torch.tensor([place]), share, how, [draws])[0][0].numpy()
        found[index] = tokens
        segments[index] = Image(Tokens(tokens), learn=True)
    return found


def predicted(of: UnifiedModel, own: torch.Tensor, unguided: torch.Tensor, guidance: float) -> np.ndarray:
    """What the head is documented to predict, written out."""
    tokens = [of.head.prediction.weight @ state + of.head.prediction.bias for state in (own, unguided)]
    if of.config.head.objective == "mse":
        return (tokens[1] + guidance * (tokens[0] - tokens[1])).numpy()
    directions = [F.normalize(token, dim=0) for token in tokens]
    mixed = F.normalize(directions[1] + guidance * (directions[0] - directions[1]), dim=0)
    return (mixed * of.head.norm_sum / of.head.norm_count).float().numpy()


@lru_cache
def together(name: str, how: str) -> tuple:
    return drawn(model(**MODELS[name]), SAMPLES, how_of(name, how))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", MODELS)
def test_the_engine_draws_what_the_slow_way_draws(name: str, how: str):
    of = model(**MODELS[name])
    for sample, images, texts in zip(SAMPLES, *together(name, how), strict=True):
        expected = slowly(of, sample, texts, how_of(name, how))
        assert images.keys() == expected.keys()
        for segment, tokens in images.items():
            np.testing.assert_allclose(tokens, expected[segment], rtol=0, atol=1e-3, err_msg=f"{sample.id} {segment}")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ["cosine", "ddpm", "flow"])
def test_a_sample_draws_the_same_alone_as_in_a_batch(name: str, how: str):
    images, texts = together(name, how)
    for number, sample in enumerate(SAMPLES):
        [alone], [said] = drawn(model(**MODELS[name]), [sample], how_of(name, how))
        assert said == texts[number] and alone.keys() == images[number].keys()
        for segment, tokens in alone.items():
            np.testing.assert_allclose(tokens, images[number][segment], rtol=0, atol=1e-3)


def test_what_is_drawn_varies_so_that_agreement_means_something():
    plain, guided = (together("cosine", how)[0] for how in HOWS)
    pictures = [tokens for row in plain for tokens in row.values()]
    assert len(pictures) == 7
    assert all(abs(one - other).max() > 0.05 for at, one in enumerate(pictures) for other in pictures[:at])
    assert all(tokens.std(0).max() > 0.05 for tokens in pictures), "tokens of a picture differ"
    assert abs(plain[0][1] - guided[0][1]).max() > 0.05
    norms = np.linalg.norm(np.concatenate(pictures), axis=-1)
    np.testing.assert_allclose(norms, model().head.mean_norm.item(), rtol=1e-5)


def test_a_drawing_at_a_temperature_is_refused_and_a_text_at_one_is_not():
    with pytest.raises(ConfigError, match="`regression` predicts a single token"):
        drawn(model(), SAMPLES[:1], How(temperature=0.5))
    assert drawn(model(), [SAMPLES[5]], How(temperature=0.5, max_text_tokens=3))[1][0]


def assert_alike(one: list[dict[int, np.ndarray]], other: list[dict[int, np.ndarray]]) -> None:
    for mine, yours in zip(one, other, strict=True):
        assert mine.keys() == yours.keys()
        for segment, tokens in mine.items():
            np.testing.assert_allclose(tokens, yours[segment], rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", HOWS)
def test_several_tokens_a_step_are_drawn_alone_as_in_a_batch_and_one_a_step_as_ever(name: str):
    of, how = model(order="random"), HOWS[name]
    as_ever, one, several = (drawn(of, SAMPLES, replace(how, draw_steps=steps))[0] for steps in (0, SIDE * SIDE, 4))
    assert_alike(one, as_ever)
    assert_alike([drawn(of, [sample], replace(how, draw_steps=4))[0][0] for sample in SAMPLES], several)
    assert abs(several[0][1] - as_ever[0][1]).max() > 0.05


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_tokens_that_are_kept_come_back_as_the_tokenizer_made_them(steps: int):
    of, region = model(order="random"), Region(0, 0, 2 / 3, 1)
    places = region.places((SIDE, SIDE))
    asked = Sample("rest", (Text("the rest"), Image(GIVEN.content, learn=True, keep=region), READ))
    others = [SAMPLES[0], asked, SAMPLES[3]]
    how = replace(HOWS["guided"], draw_steps=steps)
    alone, together = drawn(of, [asked], how)[0], drawn(of, others, how)[0]
    assert_alike(alone, together[1:2])
    true = of.encodings.learned.tokens([GIVEN.content])[0].numpy()
    rest = np.setdiff1d(np.arange(SIDE * SIDE), places)
    assert (alone[0][1][places] == true[places]).all() and (abs(alone[0][1][rest] - true[rest]) > 0.05).any()
    unkept = drawn(of, [Sample("rest", (Text("the rest"), DRAW, READ))], how)[0]
    assert abs(alone[0][1][rest] - unkept[0][1][rest]).max() > 0.05, "what is kept is read by the rest"
