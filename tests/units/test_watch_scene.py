"""Scenes: the same for ever, disjoint by content, held-out pairs in one split alone, a dial that refuses nonsense."""

from __future__ import annotations

from collections import Counter

import pytest

from bothways.core.errors import ConfigError, DataError
from bothways.worlds.watch.config import LEVELS, WatchConfig
from bothways.worlds.watch.palette import CORNERS
from bothways.worlds.watch.scene import draw_scene, held_out, split_of

SPLITS = ("train", "validation", "test", "composition")


def shown(scene) -> tuple:
    """What decides the picture, nuisance apart."""
    facts = scene.facts()
    return tuple(facts[key] for key in ("hour", "minute", "weather", "weather_corner", "battery_corner", "color", "battery"))


def test_a_scene_depends_on_seed_split_and_index_alone():
    first = draw_scene(WatchConfig(seed=3), "train", 5)
    assert first == draw_scene(WatchConfig(seed=3), "train", 5)
    others = [(4, "train", 5), (3, "test", 5), (3, "train", 6)]
    assert all(first != draw_scene(WatchConfig(seed=seed), split, index) for seed, split, index in others)


def test_a_level_of_the_world_holds_those_of_its_attributes_that_the_dial_asks_for():
    def levels(asked: list[str]) -> dict[str, tuple[str, ...]]:
        return dict(WatchConfig.parse({"dial": {"asked": asked}}).build().levels)

    assert dict(WatchConfig().build().levels)["hands"] == ("hour", "minute")
    assert levels(["hour", "color"]) == {"hands": ("hour",), "glance": ("color",)}


@pytest.mark.parametrize("level", ["all", "glance", "hands"])
def test_splits_are_disjoint_in_what_is_shown_across_seeds(level):
    seen = {
        split: {shown(draw_scene(WatchConfig(level=level, seed=seed), split, i)) for seed in (0, 1) for i in range(400)}
        for split in SPLITS
    }
    for i, split in enumerate(SPLITS):
        for other in SPLITS[i + 1 :]:
            assert not seen[split] & seen[other]


@pytest.mark.parametrize("split", SPLITS)
def test_held_out_pairs_occur_in_composition_alone(split):
    for index in range(300):
        scene = draw_scene(WatchConfig(), split, index)
        assert held_out(scene) == (split == "composition")
        assert split_of(scene) == split


@pytest.mark.parametrize("config", [WatchConfig(), WatchConfig(dial={"num_weathers": 12, "num_colors": 24})])
def test_every_single_value_occurs_in_every_split(config):
    for split in SPLITS:
        drawn = [draw_scene(config, split, index) for index in range(600)]
        assert {s.weather for s in drawn} == set(config.weathers)
        assert {s.color for s in drawn} == set(config.colors)
        assert {s.hour for s in drawn} == set(range(12))
        assert {s.weather_corner for s in drawn} == {s.battery_corner for s in drawn} == set(CORNERS)


def test_values_are_spread_evenly_enough():
    drawn = [draw_scene(WatchConfig(), "train", index) for index in range(2000)]
    for attribute, num in (("hour", 12), ("weather", 3), ("weather_corner", 4), ("battery_corner", 4)):
        counts = Counter(getattr(scene, attribute) for scene in drawn)
        assert len(counts) == num and max(counts.values()) < 2 * min(counts.values())
    assert len({scene.battery for scene in drawn}) == 101 and len({scene.minute for scene in drawn}) == 60


def test_icon_and_battery_lie_in_different_corners():
    assert all((s := draw_scene(WatchConfig(), "train", i)).weather_corner != s.battery_corner for i in range(300))


def test_a_hand_that_is_not_drawn_is_no_fact():
    facts = draw_scene(WatchConfig(level="hands"), "train", 0).facts()
    assert facts["second"] is None and facts["minute"] is not None


@pytest.mark.parametrize("level", LEVELS)
def test_a_config_survives_being_written_and_read(level):
    config = WatchConfig.parse({"level": level, "dial": {"num_colors": 7}, "seed": 5})
    assert WatchConfig.parse(config.to_dict()) == config
    assert config.with_changes({"dial.jitter": 0.5}).difficulty.jitter == 0.5


def test_hide_keeps_its_key_from():
    config = WatchConfig.parse({"hide": {"attribute": "hour", "from": "drawing"}})
    assert config.to_dict()["hide"]["from"] == "drawing"
    assert WatchConfig.parse(config.to_dict()) == config


def test_settings_of_texts_do_not_change_the_pictures_name():
    hidden = WatchConfig.parse({"hide": {"attribute": "hour", "from": "drawing"}})
    assert hidden.picture_digest() == WatchConfig().picture_digest() != WatchConfig(seed=1).picture_digest()
    assert WatchConfig(level="glance").picture_digest() == WatchConfig().picture_digest()
    assert WatchConfig(level="glance+").picture_digest() != WatchConfig().picture_digest()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"level": "glanse"}, "Did you mean `glance`"),
        ({"dial": {"num_weather": 3}}, "`num_weathers`"),
        ({"dial": {"num_weathers": 13}}, "num_weathers"),
        ({"dial": {"hands": ["hour"]}}, "asks for `minute`"),
        ({"hide": {"attribute": "hour", "from": "drawing", "how": "value"}}, "hide.value None"),
        ({"level": "glance", "hide": {"attribute": "hour", "from": "drawing"}}, "never asks for"),
        ({"hide": {"attribute": "hour", "form": "drawing"}}, "hide"),
    ],
)
def test_nonsense_is_refused_with_a_hint(values, says):
    with pytest.raises(ConfigError, match=says):
        WatchConfig.parse(values)


def test_an_unknown_split_is_refused():
    with pytest.raises(DataError, match="Unknown split `dev`"):
        draw_scene(WatchConfig(), "dev", 0)
