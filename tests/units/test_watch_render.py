"""The renderer and its geometry: what the world promises about sizes, visibility and exactness."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from bothways.core.errors import ConfigError
from bothways.worlds.watch.config import LEVELS, WatchConfig
from bothways.worlds.watch.geometry import geometry_for
from bothways.worlds.watch.icons import template
from bothways.worlds.watch.palette import COLORS, CORNERS, HANDS, WEATHERS, nearest_color
from bothways.worlds.watch.render import BAR_FILL, MARKS, hand_colors, render
from bothways.worlds.watch.scene import draw_scene

CONFIG = WatchConfig()


def slow_face(scene, config, size_px) -> np.ndarray:
    """Disc and hands, pixel by pixel over the whole picture, nothing cached; corners are left out."""
    shape = geometry_for(config, size_px)
    pixels = np.full((size_px, size_px, 3), 255.0)
    y, x = np.mgrid[:size_px, :size_px] + 0.5 - size_px / 2

    def over(depth, color, strength=1.0):
        mask = np.clip(depth + 0.5, 0, 1)[..., None] * strength
        pixels[:] = pixels * (1 - mask) + mask * np.float64(color)

    over(shape.radius - np.hypot(x, y), np.float64(scene.rgb) * 255)
    for name, color in hand_colors(scene.color, config.faithful_to_p1).items():
        angle = 2 * np.pi * getattr(scene, name) / MARKS[name]
        hand = shape.hands[name]
        ux, uy = np.sin(angle), -np.cos(angle)
        along = np.clip(x * ux + y * uy, 0, hand.length)
        over(hand.width / 2 - np.hypot(x - along * ux, y - along * uy), color, min(1.0, hand.width))
    return pixels


@pytest.mark.parametrize("size_px", [48, 64, 97, 224])
@pytest.mark.parametrize("faithful", [False, True])
def test_the_fast_renderer_draws_what_the_slow_obvious_one_draws(size_px, faithful):
    config = WatchConfig(faithful_to_p1=faithful)
    for index in range(5):
        scene = draw_scene(config, "train", index)
        y, x = np.mgrid[:size_px, :size_px] + 0.5 - size_px / 2
        clear = np.hypot(x, y) < 0.39 * size_px
        fast = render(scene, config, size_px).astype(float)
        clear &= (np.abs(x) < 0.25 * size_px) | (np.abs(y) < 0.25 * size_px)
        assert np.abs(fast - slow_face(scene, config, size_px))[clear].max() <= 1


@pytest.mark.parametrize("size_px", [48, 63, 64, 96, 128, 224, 511, 512])
@pytest.mark.parametrize("level", LEVELS)
def test_every_size_and_level_is_drawn_and_drawn_the_same_again(size_px, level):
    config = WatchConfig(level=level)
    scene = draw_scene(config, "train", 7)
    pixels = render(scene, config, size_px)
    assert pixels.shape == (size_px, size_px, 3) and pixels.dtype == np.uint8
    assert np.array_equal(pixels, render(scene, config, size_px))


@pytest.mark.parametrize("size_px", [0, 47, 513])
def test_a_size_outside_the_range_is_refused_with_the_range(size_px):
    with pytest.raises(ConfigError, match=f"{size_px} px.*48 to 512"):
        render(draw_scene(CONFIG, "train", 0), CONFIG, size_px)


@pytest.mark.parametrize("size_px", range(48, 97, 4))
def test_small_pictures_have_large_parts(size_px):
    shape = geometry_for(CONFIG, size_px)
    assert shape.icon_px() >= 12
    assert shape.bar_px[0] >= 16 and shape.bar_px[1] >= 6
    assert min(hand.width for hand in shape.hands.values()) >= 1.5


@pytest.mark.parametrize("size_px", [64, 128, 224, 512])
def test_icon_and_bar_lie_outside_the_disc(size_px):
    for large in (False, True):
        shape = geometry_for(WatchConfig(dial={"large_bar": large}), size_px)
        top, left = shape.place("top left", *shape.block_px, (0, 0))
        width, height = shape.bar_px
        assert np.hypot(shape.center - left - width - shape.tip_px, shape.center - top - height) >= shape.radius
    side = shape.icon_px()
    top, left = shape.place("top left", side, side, (0, 0))
    assert np.hypot(shape.center - left - side, shape.center - top - side) >= shape.radius - 0.5


def test_p1s_proportions_come_back():
    shape = geometry_for(WatchConfig(faithful_to_p1=True), 224)
    assert shape.icon_px() == 30 and shape.bar_px == (25, 10)
    assert [shape.hands[hand].width for hand in HANDS] == pytest.approx([6, 4, 2])
    assert [shape.hands[hand].length / shape.radius for hand in HANDS] == pytest.approx([0.5, 0.7, 0.9])
    assert all(np.array_equal(color, [255, 255, 255]) for color in hand_colors("yellow", True).values())
    small = geometry_for(WatchConfig(faithful_to_p1=True), 112)
    assert small.icon_px() == 15 and small.hands["second"].width == pytest.approx(1)


def test_the_fine_level_has_a_bar_of_24_px_and_a_bolder_second_hand():
    fine, usual = geometry_for(WatchConfig(level="fine"), 64), geometry_for(CONFIG, 64)
    assert fine.bar_px[0] >= 24 and fine.hands["second"].width > usual.hands["second"].width
    scene = draw_scene(WatchConfig(level="fine"), "train", 3)
    assert scene.battery % 10 == 0 and scene.second % 5 == 0


@pytest.mark.parametrize("hand", HANDS)
def test_a_hand_points_at_its_mark(hand):
    scene = replace(draw_scene(CONFIG, "train", 0), hands_shown=(hand,), color="navy", rgb=COLORS["navy"])
    shape = geometry_for(CONFIG, 224)
    for value in range(0, MARKS[hand], 5 if MARKS[hand] == 60 else 1):
        pixels = render(replace(scene, **{hand: value}), CONFIG, 224).astype(float)
        angle = 2 * np.pi * value / MARKS[hand]
        reach = 0.9 * shape.hands[hand].length
        x, y = int(shape.center + reach * np.sin(angle)), int(shape.center - reach * np.cos(angle))
        assert np.abs(pixels[y, x] - hand_colors("navy", False)[hand]).max() < 150
        opposite = pixels[int(shape.center + reach * np.cos(angle)), int(shape.center - reach * np.sin(angle))]
        assert np.abs(opposite - 255 * np.float64(COLORS["navy"])).max() < 2


def test_hour_0_and_12_look_alike_in_p1s_world_and_only_p1s_world_has_12():
    faithful = WatchConfig(faithful_to_p1=True)
    hours = {draw_scene(faithful, "train", index).hour for index in range(300)}
    assert hours == set(range(13))
    scene = replace(draw_scene(faithful, "train", 0), hour=0)
    assert np.array_equal(render(scene, faithful, 64), render(replace(scene, hour=12), faithful, 64))
    assert {draw_scene(CONFIG, "train", index).hour for index in range(300)} == set(range(12))


def test_disc_colours_are_far_apart_and_far_from_the_ground():
    for a, b in combinations(COLORS.values(), 2):
        assert np.linalg.norm(np.subtract(a, b)) >= 0.25
    assert min(np.linalg.norm(np.subtract(color, 1)) for color in COLORS.values()) >= 0.4


def test_a_jittered_colour_keeps_its_name():
    config = WatchConfig(dial={"num_colors": 24})
    for index in range(300):
        scene = draw_scene(config, "train", index)
        assert nearest_color(scene.rgb, 24) == scene.color


@pytest.mark.parametrize("color", COLORS)
def test_hands_contrast_with_every_disc_and_the_second_with_the_others(color):
    hands, disc = hand_colors(color, False), 255 * np.float64(COLORS[color])
    assert min(np.linalg.norm(hands[hand] - disc) for hand in HANDS) >= 135
    assert np.linalg.norm(hands["second"] - hands["minute"]) >= 140


def test_icons_differ_in_shape_and_colour():
    white = {kind: template(kind, 13)[0] * 255 + template(kind, 13)[1] for kind in WEATHERS}
    shapes = {kind: 1 - template(kind, 13)[0] for kind in WEATHERS}
    for a, b in combinations(WEATHERS, 2):
        assert np.sqrt(np.mean((white[a] - white[b]) ** 2)) > 30, (a, b)
        assert np.abs(shapes[a] - shapes[b]).mean() > 0.05, (a, b)


def test_the_bar_is_filled_in_proportion():
    scene = replace(draw_scene(CONFIG, "train", 0), battery_corner="top left", weather_corner="top right")
    filled = []
    for battery in range(0, 101, 5):
        corner = render(replace(scene, battery=battery), CONFIG, 224)[:20, :45].astype(float)
        green = (np.abs(corner - BAR_FILL).max(-1) < 1).sum() + 0.0
        filled.append(green)
    assert np.corrcoef(filled, range(21))[0, 1] > 0.99 and filled[0] == 0


def test_the_percentage_is_written_where_it_is_legible():
    scene = replace(draw_scene(CONFIG, "train", 0), battery_corner="top left", weather_corner="top right")
    for size_px, is_written in ((64, False), (127, False), (128, True), (224, True)):
        shape = geometry_for(CONFIG, size_px)
        below = shape.place("top left", *shape.block_px, (0, 0))[0] + shape.bar_px[1]
        corner = render(scene, CONFIG, size_px)[below : below + shape.font_px + 2, : shape.block_px[0]]
        assert (corner.min() < 170) == is_written


def test_jitter_moves_parts_and_distractors_fill_corners_left_over():
    config = WatchConfig(level="glance+")
    drawn = [draw_scene(config, "train", index) for index in range(50)]
    assert len({scene.icon_offset for scene in drawn}) == 50
    for scene in drawn:
        corners = [scene.weather_corner, scene.battery_corner, *(d.corner for d in scene.distractors)]
        assert sorted(corners) == sorted(CORNERS)
    shape = geometry_for(config, 64)
    assert len({shape.place("top left", 13, 13, scene.icon_offset) for scene in drawn}) >= 6


def test_a_cluttered_ground_is_pale_and_does_not_touch_the_disc():
    plain, cluttered = WatchConfig(), WatchConfig(dial={"ground": "cluttered"})
    scene = draw_scene(cluttered, "train", 1)
    with_clutter, without = render(scene, cluttered, 128), render(replace(scene, ground_seed=None), plain, 128)
    changed = (with_clutter != without).any(-1)
    y, x = np.mgrid[:128, :128] + 0.5 - 64
    assert 0.02 < changed.mean() < 0.9 and not changed[np.hypot(x, y) < 50].any()
    assert with_clutter[(without == 255).all(-1)].min() >= 200
