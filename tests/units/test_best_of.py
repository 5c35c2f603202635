"""Best of n: what is drawn, what a drawing is worth, and which one is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tiny
from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of
from bothways.core.sample import Image, Sample, Text
from bothways.generate.choose import CAPTION_PROMPT, best_of, candidates, described, varies
from bothways.generate.engine import fill
from bothways.heads.choose import How
from grey import REQUESTS, model

FREELY = How(temperature=8.0, seed=3)  # weights are loud: at 1 hardly anything is left to chance


def pixels(sample: Sample) -> list:
    return sample.segments[-1].content.array.tolist()


def test_the_first_candidate_is_the_drawing_that_is_made_without_choosing_and_the_others_are_others():
    first, *others = zip(*candidates(model(), REQUESTS, FREELY, 3), strict=True)
    plain = fill(model(), REQUESTS, FREELY)
    unchosen = best_of(model(), REQUESTS, FREELY, 1)
    assert [pixels(one.sample) for one in first] == [pixels(one) for one in plain] == [pixels(one) for one in unchosen]
    for other in others:
        assert all(pixels(mine.sample) != pixels(yours) for mine, yours in zip(other, plain, strict=True))


def test_the_drawing_kept_is_the_one_whose_picture_makes_the_requests_words_likeliest():
    kept = best_of(model(), REQUESTS, FREELY, 4)
    for at, request in enumerate(REQUESTS):
        alone = [fill(model(), [request], replace(FREELY, seed=seed))[0] for seed in seeds(4)]
        told = []
        for drawn in alone:  # the slow, obvious way: one caption, one pass
            words = Text(request.segments[0].content, learn=True)
            caption = Sample("caption", (Image(drawn.segments[-1].content), Text(CAPTION_PROMPT), words))
            told.append(model().held_out([caption])[0].text.total)
        assert len(set(told)) == 4
        assert pixels(kept[at]) == pixels(alone[told.index(min(told))])


def seeds(num: int) -> list[int]:
    return [FREELY.seed, *(seed_of(FREELY.seed, "best of", which) for which in range(1, num))]


@pytest.mark.parametrize("order", ["raster", "random"])
def test_a_drawings_nats_are_those_of_its_tokens_as_a_reference(order: str):
    of, how = model(order=order), replace(FREELY, seed=0)  # the seed that held-out samples are laid out by
    for [drawn] in candidates(of, REQUESTS, how, 1):
        assert drawn.nats == pytest.approx(float(of.held_out([drawn.sample])[0].image.total), rel=1e-4)


def test_guidance_and_temperature_change_what_is_drawn_and_not_how_it_is_valued():
    how = How(temperature=0.5, guidance=3.0)
    for [drawn] in candidates(model(), REQUESTS, how, 1):
        assert drawn.nats == pytest.approx(float(model().held_out([drawn.sample])[0].image.total), rel=1e-4)


def test_the_description_of_a_drawing_does_not_hang_on_the_others_in_its_batch():
    filled = fill(model(), REQUESTS, FREELY)
    assert described(model(), filled) == pytest.approx(described(model(), filled, batch_size=1), rel=1e-5)


def test_a_head_without_a_likelihood_says_nothing_of_a_drawings_worth():
    continuous = tiny.model(learned=tiny.PATCHES, head={"kind": "diffusion", "width": 16, "num_blocks": 1}, **tiny.SEPARATE)
    [[one, other]] = candidates(continuous, REQUESTS[:1], How(temperature=1.0, sampling_steps=2), 2)
    assert one.nats == other.nats == 0.0 and pixels(one.sample) != pixels(other.sample)


def test_the_best_of_drawings_that_are_all_the_same_is_refused_and_another_order_is_another_drawing():
    for num, words in ((0, "Found best_of 0; expected at least 1"), (2, "every drawing of a request is the same")):
        with pytest.raises(ConfigError, match=words):
            best_of(model(), REQUESTS, How(), num)
    assert varies(model(), FREELY) and not varies(model(), How())
    in_any_order = model(order="random")
    assert varies(in_any_order, How()) and not varies(in_any_order, How(order="raster"))
    best_of(in_any_order, REQUESTS, How(), 2)
