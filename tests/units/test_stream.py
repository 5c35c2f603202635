"""Mixtures: which samples come at which step, in which pieces, and which lose their condition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.data.configs import MixtureConfig
from bothways.data.stream import MixtureStream, pictures_of
from bothways.data.worlds import WorldSource
from bothways.layout.batch import Batch
from bothways.layout.sequence import Content
from bothways.worlds.watch.config import WatchConfig

WORLD = WatchConfig().build()
MODEL = tiny.model(order="random", max_tokens=256)
NUMBERS = {"vqa": 3, "caption": 2, "draw": 4}


def stream(numbers: dict[str, int], micro_batches: int = 1, model=MODEL, **settings) -> MixtureStream:
    config = MixtureConfig(**settings)
    sources = {
        f"watch/{kind}": (WorldSource(WORLD, kind, num_pictures=30, seed=config.seed), number)
        for kind, number in numbers.items()
    }
    return MixtureStream(sources, model.lay_out, model.attach, config, micro_batches)


def rows(batch: Batch) -> dict[str, list]:
    """Everything about each row without its padding, by sample id."""
    found = {}
    for row, name in enumerate(batch.sample_ids):
        there = ~batch.is_padding[row]
        vectors = (batch.ids, batch.content, batch.duty, batch.predicts, batch.block, batch.place, batch.next_place)
        tokens = [
            (batch.learned_tokens if drawn else batch.given_tokens)[picture].tolist()
            for picture, drawn in sorted(
                {(int(p), bool(d)) for p, d in zip(batch.picture[row], batch.drawn[row], strict=True) if p >= 0}
            )
        ]
        found[name] = [*(v[row][there].tolist() for v in vectors), tokens]
    return found


def test_a_step_takes_its_number_from_each_source_and_goes_on_where_the_last_one_ended():
    mixed = stream(NUMBERS)
    cursors = {kind: [] for kind in NUMBERS}
    for step in range(5):
        for sample in mixed.samples(step):
            cursors[sample.source.removeprefix("watch/")].append(int(sample.id.split("@")[1]))
    assert cursors == {kind: list(range(5 * number)) for kind, number in NUMBERS.items()}


def test_batches_are_a_function_of_the_step_alone():
    forwards, backwards = stream(NUMBERS), stream(NUMBERS)
    later = {step: rows(backwards.batches(step)[0]) for step in (4, 2, 0)}
    for step in (0, 2, 4):
        assert rows(forwards.batches(step)[0]) == later[step]
    assert later[0].keys() & later[2].keys() == set()


@pytest.mark.parametrize("alone", [{"draw": 4}, {"vqa": 3, "caption": 2}, {"vqa": 3, "caption": 2, "draw": 0}])
def test_a_single_task_arm_sees_the_same_own_task_samples_at_the_same_step(alone: dict):
    """The same pictures, words, orders of drawing and dropped conditions: the arms differ by the other task's rows alone."""
    for step in (0, 3, 11):
        unified = rows(stream(NUMBERS, drop_condition=0.5).batches(step)[0])
        own = rows(stream(alone, drop_condition=0.5).batches(step)[0])
        assert len(own) == sum(alone.values()) and own.items() <= unified.items()


def test_another_seed_gives_another_run():
    assert not rows(stream(NUMBERS).batches(0)[0]).items() & rows(stream(NUMBERS, seed=1).batches(0)[0]).items()


@pytest.mark.parametrize("pieces", [2, 3, 9])
def test_micro_batches_deal_out_the_samples_of_the_step_and_nothing_else(pieces: int):
    whole = rows(stream(NUMBERS, drop_condition=0.5).batches(2)[0])
    cut = stream(NUMBERS, pieces, drop_condition=0.5).batches(2)
    assert len(cut) == pieces and max(map(len, cut)) - min(map(len, cut)) <= 1
    assert {name: row for batch in cut for name, row in rows(batch).items()} == whole
    if pieces == 2:
        assert all(len(set(batch.sources)) == 3 for batch in cut), "each piece holds every source where it can"


def dropped(settings: dict, steps: int, patterns=("editing", "reading", "interleaved", "text alone")) -> dict[str, np.ndarray]:
    """Pattern -> bool (samples, 2): is the given text, is the given image replaced by `nothing`?"""
    mixed = tiny.stream(MODEL, dict.fromkeys(patterns, 20), **settings)
    found: dict[str, list] = {name: [] for name in patterns}
    for step in range(steps):
        (batch,) = mixed.batches(step)
        for row, source in enumerate(batch.sources):
            content = batch.content[row]
            found[source].append([bool((content == int(kind)).any()) for kind in (Content.NOTHING_TEXT, Content.NOTHING_IMAGE)])
    return {name: np.array(rows) for name, rows in found.items()}


def test_conditions_are_dropped_in_their_share_apart_from_each_other_and_only_where_an_image_is_learned():
    found = dropped({"drop_condition": 0.3}, 50)
    assert not found["reading"].any() and not found["text alone"].any()
    assert not found["interleaved"].any(), "what is learned is no condition"
    text, image = found["editing"].T
    # 1000 draws each: three standard errors are 0.043.
    assert abs(text.mean() - 0.3) < 0.043 and abs(image.mean() - 0.3) < 0.043
    assert abs((text & image).mean() - 0.09) < 0.03, "text and image are dropped apart"


def test_a_dropped_text_is_one_token_and_its_picture_stays():
    mixed = tiny.stream(MODEL, {"drawing": 30}, drop_condition=0.5)
    (batch,) = mixed.batches(0)
    without = (batch.content == int(Content.NOTHING_TEXT)).any(1)
    assert 5 < without.sum() < 25
    lengths = (~batch.is_padding).sum(1)
    assert len(lengths[without].unique()) == len(lengths[~without].unique()) == 1
    assert lengths[without][0] < lengths[~without][0]
    assert (batch.is_image.sum(1) == 9).all() and len(batch.pictures(learn=True)) == 30


@pytest.mark.parametrize(("share", "expected"), [(0.0, False), (1.0, True)])
def test_a_share_of_0_drops_nothing_and_of_1_everything(share: float, expected: bool):
    assert (dropped({"drop_condition": share}, 2, ("editing",))["editing"] == expected).all()


def test_a_sample_that_comes_again_draws_anew():
    class Same:
        def sample(self, cursor: int):
            return tiny.sample("drawing", "always")

    mixed = MixtureStream({"x": (Same(), 1)}, MODEL.lay_out, MODEL.attach, MixtureConfig(drop_condition=0.5))
    seen = [bool((mixed.batches(step)[0].content == int(Content.NOTHING_TEXT)).any()) for step in range(40)]
    assert 8 < sum(seen) < 32
    orders = {tuple(mixed.batches(step)[0].place[0].tolist()) for step in range(40) if not seen[step]}
    assert len(orders) > 10


def test_a_mixture_without_samples_is_refused():
    for sources in ({}, {"vqa": 0}):
        with pytest.raises(ConfigError, match="mixture is empty"):
            stream(sources)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_0_to_1_is_refused(share: float):
    with pytest.raises(ConfigError, match="drop_condition"):
        MixtureConfig.parse({"drop_condition": share})


def test_a_negative_number_of_samples_is_refused():
    with pytest.raises(ConfigError, match="samples_per_step"):
        MixtureConfig.parse({"sources": {"watch/vqa": {"samples_per_step": -1}}})


def test_pictures_of_samples_come_in_order_and_prompts_have_none():
    samples = [tiny.sample("editing"), tiny.sample("text alone"), tiny.sample("interleaved")]
    assert [p.key for p in pictures_of(samples)] == [tiny.picture(n).key for n in (0, 1, 2, 3)]
    assert [p.key for p in pictures_of([s.prompt() for s in samples])] == [tiny.picture(0).key]
    assert torch.equal(MODEL.encodings.given.tokens(pictures_of(samples)[:1]), MODEL.encodings.given.tokens([tiny.picture(0)]))
