"""Pairings of a world's source: whose texts a picture comes with, and that all else of a sample stays as it is."""

from __future__ import annotations

from collections import Counter

import pytest

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.sample import Image, Text
from bothways.data.patterns import KINDS
from bothways.data.worlds import WorldSource
from bothways.recipes.recipe import load_recipe
from bothways.recipes.sources import DRAWING, READING, trains
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.watch.config import WatchConfig

WORLDS = {"watch": WatchConfig().build(), "shapes": ShapesConfig().build()}
SHUFFLED = [(world, kind) for world in WORLDS for kind in ("vqa", "caption", "draw")]
CONTROLS = [(world, kind, pairing) for world, kind in SHUFFLED for pairing in KINDS[kind][1] if pairing != "own"]
POOL = 40


def source(world: str, kind: str, pairing: str, num_pictures: int = POOL, seed: int = 0) -> WorldSource:
    return WorldSource(WORLDS[world], kind, num_pictures=num_pictures, seed=seed, pairing=pairing)


def picture_of(sample) -> str:
    return next(s.content.key for s in sample.segments if isinstance(s, Image))


def texts_of(sample) -> list[tuple[str, bool]]:
    return [(s.content, s.learn) for s in sample.segments if isinstance(s, Text)]


@pytest.mark.parametrize("num_pictures", [2, 3, POOL, 0])
def test_shuffling_gives_every_picture_another_ones_texts_and_uses_each_ones_once(num_pictures: int):
    shuffled = source("watch", "draw", "shuffled", num_pictures)
    indices = range(num_pictures or 4096 * 2)
    others = [shuffled._other(index) for index in indices]
    assert all(index != other for index, other in zip(indices, others, strict=True))
    assert sorted(others) == list(indices)
    again = source("watch", "draw", "shuffled", num_pictures)
    assert [again._other(index) for index in reversed(indices)] == others[::-1]


def test_another_seed_or_source_shuffles_otherwise():
    rings = [
        [source("watch", kind, "shuffled", seed=seed)._other(index) for index in range(POOL)]
        for kind, seed in (("draw", 0), ("draw", 1), ("vqa", 0))
    ]
    assert rings[0] != rings[1] and rings[0] != rings[2]


@pytest.mark.parametrize(("world", "kind"), SHUFFLED)
def test_shuffled_texts_are_what_would_be_said_of_the_other_picture_so_over_a_pool_they_are_distributed_alike(world, kind):
    """Every picture's facts are told once an epoch, in words drawn as ever; only of which picture they are told differs."""
    own, shuffled = source(world, kind, "own"), source(world, kind, "shuffled")
    told: Counter = Counter()
    for cursor in range(POOL):
        sample, index = shuffled.sample(cursor), shuffled.picture_index(cursor)
        other = shuffled._other(index)
        said = WORLDS[world].say(own.picture(other).scene, KINDS[kind][0], rng(0, "wording", sample.id))
        assert texts_of(sample) == [
            (s.content, s.learn) for s in KINDS[kind][1]["own"](said, own.picture(other)) if isinstance(s, Text)
        ]
        told[other] += 1
    assert told == Counter(range(POOL))


@pytest.mark.parametrize("world", WORLDS)
def test_a_shuffled_request_is_true_of_the_other_picture_and_not_of_its_own(world):
    shuffled, of = source(world, "draw", "shuffled"), WORLDS[world]
    agree = []
    for cursor in range(POOL):
        sample, index = shuffled.sample(cursor), shuffled.picture_index(cursor)
        facts, true = (of.facts(shuffled.picture(at).scene) for at in (index, shuffled._other(index)))
        stated = of.hear(sample.segments[0].content)
        claims, right = of.claims(stated, true), of.claims(true, true)
        assert stated and all(right[name] == value for name, value in claims.items())
        mine, own = of.claims(stated, facts), of.claims(facts, facts)
        agree.append(all(own.get(name) == value for name, value in mine.items()))
    assert sum(agree) <= 2, "two pictures may agree in the little that a text states"


@pytest.mark.parametrize(("world", "kind", "pairing"), CONTROLS)
def test_a_pairing_changes_neither_pictures_nor_their_order_nor_ids(world: str, kind: str, pairing: str):
    own, other = source(world, kind, "own"), source(world, kind, pairing)
    for cursor in range(2 * POOL):
        one, two = own.sample(cursor), other.sample(cursor)
        assert (one.id, one.source, picture_of(one)) == (two.id, two.source, picture_of(two))
    assert [p.key for p in own.pictures()] == [p.key for p in other.pictures()]


@pytest.mark.parametrize("world", WORLDS)
def test_reversed_a_drawing_is_given_and_its_request_learned_and_a_reading_is_drawn_from_its_caption(world: str):
    for cursor in range(10):
        request, picture = source(world, "draw", "own").sample(cursor).segments
        given, told = source(world, "draw", "reversed").sample(cursor).segments
        assert (given.content.key, given.learn) == (picture.content.key, False)
        assert (told.content, told.learn, request.learn) == (request.content, True, False)
        read, _, caption = source(world, "caption", "own").sample(cursor).segments
        asked, drawn = source(world, "caption", "reversed").sample(cursor).segments
        assert (asked.content, asked.learn) == (caption.content, False)
        assert (drawn.content.key, drawn.learn) == (read.content.key, True)
        asked, drawn = source(world, "vqa", "reversed").sample(cursor).segments
        assert asked.content and not asked.learn and drawn.learn


def test_without_a_request_its_turn_stays_and_is_empty():
    for cursor in range(10):
        request, picture = source("watch", "draw", "none").sample(cursor).segments
        assert (request.content, request.learn, picture.learn) == ("", False, True)


def test_a_source_with_a_name_has_pictures_of_the_same_pool_in_another_order_and_samples_of_its_own():
    own, again = source("watch", "vqa", "own"), source("watch", "vqa/again", "own")
    assert again.source == "watch/vqa/again" and {p.key for p in own.pictures()} == {p.key for p in again.pictures()}
    seen = [(own.sample(cursor), again.sample(cursor)) for cursor in range(POOL)]
    assert {picture_of(one) for one, _ in seen} == {picture_of(two) for _, two in seen}
    assert sum(picture_of(one) == picture_of(two) for one, two in seen) < 8
    assert not {one.id for one, _ in seen} & {two.id for _, two in seen}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "edit", "pairing": "shuffled"}, "pairing of the source watch/edit"),
        ({"kind": "text", "pairing": "reversed"}, "pairing of the source watch/text"),
        ({"kind": "vqa", "pairing": "none"}, "pairing of the source watch/vqa"),
        ({"kind": "draw", "pairing": "shuffled", "num_pictures": 1}, "a pool of one picture"),
    ],
)
def test_a_pairing_that_means_nothing_is_refused(changes: dict, said: str):
    with pytest.raises(ConfigError, match=said):
        WorldSource(WORLDS["watch"], **changes)


def test_what_is_hidden_from_reading_cannot_be_told_by_reversing_requests():
    hiding = WatchConfig.parse({"hide": {"attribute": "hour", "from": "understanding"}}).build()
    with pytest.raises(ConfigError, match="watch/draw is reversed and the world hides something"):
        WorldSource(hiding, "draw", pairing="reversed")


def test_an_unknown_pairing_in_a_recipe_is_refused_and_a_reversed_source_trains_the_other_skill():
    recipe = load_recipe("vq-vq")
    with pytest.raises(ConfigError, match="`pairing` is 'mixed'"):
        recipe.with_changes({"data.sources.watch/draw.pairing": "mixed"})
    unread = {f"data.sources.watch/{kind}.samples_per_step": 0 for kind in ("vqa", "caption")}
    alone = recipe.with_changes({**unread, "data.sources.watch/draw.pairing": "reversed"})
    assert trains(alone, READING) and not trains(alone, DRAWING)
