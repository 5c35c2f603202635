"""Scenes of shapes: the same for ever, disjoint by content, held-out pairs in one split alone, edits that stay scenes."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from bothways.core.errors import ConfigError, DataError
from bothways.worlds.shapes import edits
from bothways.worlds.shapes.config import LEVELS, ShapesConfig
from bothways.worlds.shapes.palette import COLORS, GROUNDS, KINDS, PLACES
from bothways.worlds.shapes.scene import draw_scene, held_out, held_out_pairs, split_of

SPLITS = ("train", "validation", "test", "composition")
CONFIG = ShapesConfig()


def drawn(num: int, split: str = "train", config: ShapesConfig = CONFIG):
    return [draw_scene(config, split, index) for index in range(num)]


def test_a_scene_depends_on_seed_split_and_index_alone():
    first = draw_scene(ShapesConfig(seed=3), "train", 5)
    assert first == draw_scene(ShapesConfig(seed=3), "train", 5)
    others = [(4, "train", 5), (3, "test", 5), (3, "train", 6)]
    assert all(first != draw_scene(ShapesConfig(seed=seed), split, index) for seed, split, index in others)


@pytest.mark.parametrize("level", LEVELS)
def test_splits_are_disjoint_in_what_is_shown_across_seeds(level):
    seen = {
        split: {repr(s.facts()) for seed in (0, 1) for s in drawn(200, split, ShapesConfig(level=level, seed=seed))}
        for split in SPLITS
    }
    for split, other in combinations(SPLITS, 2):
        assert not seen[split] & seen[other]


@pytest.mark.parametrize("composition_seed", [0, 1])
@pytest.mark.parametrize("split", SPLITS)
def test_held_out_pairs_occur_in_composition_alone(split, composition_seed):
    for scene in drawn(150, split, ShapesConfig(composition_seed=composition_seed)):
        assert held_out(scene, composition_seed) == (split == "composition")
        assert split_of(scene, composition_seed) == split


def test_one_pair_in_six_is_held_out_and_another_seed_holds_out_others():
    pairs = held_out_pairs(0)
    assert len(pairs) == len(KINDS) * len(COLORS) / 6 and pairs != held_out_pairs(1)
    assert {kind for kind, _ in pairs} == set(KINDS) and {color for _, color in pairs} == set(COLORS)


@pytest.mark.parametrize("config", [CONFIG, ShapesConfig(level="glance"), ShapesConfig(level="crowd")], ids=lambda c: c.level)
def test_every_single_value_occurs_in_every_split(config):
    for split in SPLITS:
        scenes = drawn(300, split, config)
        shapes = [shape for scene in scenes for shape in scene.shapes]
        assert {s.kind for s in shapes} == set(config.kinds) and {s.color for s in shapes} == set(config.colors)
        assert {s.place for s in shapes} == set(PLACES) and {s.size for s in shapes} == {"small", "large"}
        assert {s.ground for s in scenes} == set(config.grounds)


@pytest.mark.parametrize("split", SPLITS)
def test_every_number_of_shapes_is_as_frequent_in_every_split(split):
    counts = Counter(scene.count for scene in drawn(600, split))
    assert set(counts) == set(range(1, 7)) and max(counts.values()) < 1.6 * min(counts.values())


def test_colours_and_grounds_lie_far_apart():
    def least(pairs) -> float:
        return min(float(np.linalg.norm(np.subtract(a, b))) for a, b in pairs)

    assert least(combinations(COLORS.values(), 2)) >= 0.35
    assert least((color, ground) for color in COLORS.values() for ground in GROUNDS.values()) >= 0.35
    assert least(combinations(GROUNDS.values(), 2)) >= 0.3


def test_shapes_stand_in_the_order_of_places_and_no_two_share_one():
    for scene in drawn(200):
        places = [PLACES.index(shape.place) for shape in scene.shapes]
        assert places == sorted(set(places))
        assert len(scene.free_places) == 9 - scene.count


def test_edits_change_what_they_say_and_nothing_else():
    scene = next(s for s in drawn(50) if s.count == 3)
    place, free = scene.shapes[1].place, scene.free_places[0]
    added = edits.with_added(scene, "star", "red", "small", free)
    assert added.count == 4 and added.at(free).facts() == {"kind": "star", "color": "red", "size": "small", "place": free}
    assert edits.without(added, free) == scene
    moved = edits.moved(scene, place, free)
    assert moved.at(place) is None and edits.moved(moved, free, place) == scene
    other = next(color for color in COLORS if color != scene.at(place).color)
    changed = edits.recoloured(scene, place, other)
    assert changed.at(place).color == other and changed.at(place).rgb == COLORS[other]
    assert [s for s in changed.shapes if s.place != place] == [s for s in scene.shapes if s.place != place]


def test_edits_that_leave_no_scene_are_refused_in_a_sentence():
    one, six = (next(s for s in drawn(100) if s.count == count) for count in (1, 6))
    taken, free = one.shapes[0], one.free_places[0]
    for edit, says in (
        (lambda: edits.without(one, taken.place), "the only one"),
        (lambda: edits.without(one, free), "There is no shape"),
        (lambda: edits.moved(one, taken.place, taken.place), "already"),
        (lambda: edits.recoloured(one, taken.place, taken.color), "already"),
        (lambda: edits.recoloured(one, taken.place, "rde"), "Did you mean `red`"),
        (lambda: edits.with_added(one, "star", "red", "small", taken.place), "already"),
        (lambda: edits.with_added(one, "start", "red", "small", free), "Did you mean `star`"),
        (lambda: edits.with_added(six, "star", "red", "small", six.free_places[0]), "the most there can be"),
        (lambda: edits.moved(one, taken.place, "centre"), "Unknown place"),
    ):
        with pytest.raises(DataError, match=says):
            edit()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"level": "glanse"}, "Did you mean `glance`"),
        ({"dial": {"num_color": 6}}, "`num_colors`"),
        ({"dial": {"num_kinds": 7}}, "num_kinds"),
        ({"dial": {"min_shapes": 4, "max_shapes": 2}}, "min_shapes 4"),
        ({"dial": {"sizes": []}}, "sizes"),
    ],
)
def test_nonsense_is_refused_with_a_hint(values, says):
    with pytest.raises(ConfigError, match=says):
        ShapesConfig.parse(values)


def test_an_unknown_split_is_refused():
    with pytest.raises(DataError, match="Unknown split `dev`"):
        draw_scene(CONFIG, "dev", 0)
