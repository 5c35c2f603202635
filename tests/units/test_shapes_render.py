"""Pictures of shapes: nothing touches, edges are soft, every size shows the same, what is asked for outside is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bothways.core.errors import ConfigError
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.shapes.geometry import geometry
from bothways.worlds.shapes.palette import KINDS, PLACES
from bothways.worlds.shapes.render import render, shape_mask
from bothways.worlds.shapes.scene import Scene, Shape, draw_scene


def filled(kind: str, offsets) -> Scene:
    """Nine large shapes, as no world draws them, at the given offsets in turn."""
    shapes = [Shape(kind, "red", "large", p, (1.0, 0.0, 0.0), offsets[i % len(offsets)]) for i, p in enumerate(PLACES)]
    return Scene("black", (0.0, 0.0, 0.0), tuple(shapes))


@pytest.mark.parametrize("size_px", range(48, 513, 29))
def test_large_shapes_as_near_as_they_come_do_not_touch(size_px):
    where = geometry(size_px)
    side = where.box_px("large")
    least = 3 if size_px == 64 else 1
    for near, far in (("top left", "top"), ("top", "top right")):
        right_of_near = where.corner(near, "large", (1, 0))[1] + side
        assert where.corner(far, "large", (-1, 0))[1] - right_of_near >= least
    assert where.corner("top left", "large", (-1, -1)) >= (1, 1)
    assert max(where.corner("bottom right", "large", (1, 1))) + side <= size_px - 1


def test_relations_are_clear_by_a_margin():
    for one in (-1.0, 1.0):
        middles = {place: geometry(64).middle(place)[1] + one * geometry(64).reach_px for place in PLACES}
        opposite = {place: geometry(64).middle(place)[1] - one * geometry(64).reach_px for place in PLACES}
        assert abs(middles["top"] - opposite["bottom"]) <= 0.0601 * 64
        assert min(abs(middles["top"] - opposite["left"]), abs(middles["top"] - opposite["right"])) >= 0.27 * 64


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("px", [8, 10, 15, 54])
def test_a_kind_fills_its_box_and_is_its_own_mirror_image(kind, px):
    mask = shape_mask(kind, px)
    assert mask.shape == (px, px) and mask.min() >= 0 and mask.max() == 1
    np.testing.assert_allclose(mask, mask[:, ::-1], atol=1 / 32)
    inked = np.flatnonzero(mask.max(1) > 0.1)
    assert inked[-1] - inked[0] >= 0.8 * px


def test_edges_are_soft_and_colours_are_the_scenes_own():
    scene = replace(filled("circle", [(0.0, 0.0)]), ground_rgb=(0.0, 0.0, 1.0))
    pixels = render(scene, 64)
    assert tuple(pixels[0, 0]) == (0, 0, 255) and tuple(pixels[32, 32]) == (255, 0, 0)
    assert ((pixels[..., 0] > 20) & (pixels[..., 0] < 235)).sum() > 9 * 10


@pytest.mark.parametrize("size_px", [48, 95, 128, 512])
def test_a_picture_of_another_size_shows_the_same(size_px):
    for index in range(5):
        scene = draw_scene(ShapesConfig(), "train", index)
        share = [(np.abs(render(scene, px).astype(int) - render(scene, px)[0, 0]).max(-1) > 40).mean() for px in (64, size_px)]
        assert share[1] == pytest.approx(share[0], abs=0.04)


def test_the_same_scene_gives_the_same_pixels():
    scene = draw_scene(ShapesConfig(), "train", 0)
    assert np.array_equal(render(scene, 64), render(scene, 64)) and render(scene, 64).dtype == np.uint8


@pytest.mark.parametrize("size_px", [47, 513])
def test_a_size_outside_is_refused(size_px):
    with pytest.raises(ConfigError, match="48 to 512"):
        render(draw_scene(ShapesConfig(), "train", 0), size_px)
