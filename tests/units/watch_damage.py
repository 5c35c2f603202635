"""Paints over parts of a watch picture: a part is filled with the colours of what lies behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from bothways.worlds.watch.config import ATTRIBUTES, WatchConfig
from bothways.worlds.watch.geometry import geometry_for
from bothways.worlds.watch.icons import template
from bothways.worlds.watch.palette import CORNERS
from bothways.worlds.watch.render import render
from bothways.worlds.watch.scene import Scene

ICON = ("weather", "weather_corner")
BATTERY = ("battery", "battery_corner")
HALVES = ("left", "right", "top", "bottom")


def without_icon(scene: Scene, config: WatchConfig, size_px: int) -> np.ndarray:
    return _fill(scene, config, size_px, _icon_box(scene, config, size_px))


def without_battery(scene: Scene, config: WatchConfig, size_px: int) -> np.ndarray:
    shape = geometry_for(config, size_px)
    width, height = shape.block_px
    top, left = shape.place(scene.battery_corner, width, height, scene.battery_offset)
    return _fill(scene, config, size_px, (slice(top, top + height), slice(left, left + width)))


def without_bar(scene: Scene, config: WatchConfig, size_px: int) -> np.ndarray:
    """The percentage stays."""
    shape = geometry_for(config, size_px)
    width, height = shape.bar_px
    top, left = shape.place(scene.battery_corner, *shape.block_px, scene.battery_offset)
    if shape.font_px and scene.battery_corner.startswith("bottom"):
        top += shape.font_px + 1
    return _fill(scene, config, size_px, (slice(top, top + height), slice(left, left + width + shape.tip_px)))


def without_hand(hand: str, scene: Scene, config: WatchConfig, size_px: int) -> np.ndarray:
    """Behind a hand lie the disc and the hands under it; above it lie the others."""
    return render(replace(scene, hands_shown=tuple(h for h in scene.hands_shown if h != hand)), config, size_px)


def with_half_an_icon(half: str, scene: Scene, config: WatchConfig, size_px: int) -> np.ndarray:
    """`half` is painted over."""
    rows, cols = _icon_box(scene, config, size_px)
    y, x = (rows.start + rows.stop) // 2, (cols.start + cols.stop) // 2
    box = {
        "left": (rows, slice(cols.start, x)),
        "right": (rows, slice(x, cols.stop)),
        "top": (slice(rows.start, y), cols),
        "bottom": (slice(y, rows.stop), cols),
    }[half]
    return _fill(scene, config, size_px, box)


def with_two_icons(scene: Scene, config: WatchConfig, size_px: int) -> np.ndarray:
    """A second icon, of any kind, in a corner left over."""
    pixels = render(scene, config, size_px).astype(np.float32)
    shape = geometry_for(config, size_px)
    corner = next(c for c in CORNERS if c not in (scene.weather_corner, scene.battery_corner))
    kind = config.weathers[scene.minute % len(config.weathers)]
    side = shape.icon_px()
    through, colors = template(kind, side)
    top, left = shape.place(corner, side, side, (0, 0))
    box = (slice(top, top + side), slice(left, left + side))
    pixels[box] = pixels[box] * through + colors
    return (pixels + 0.5).astype(np.uint8)


def blurred(pixels: np.ndarray, sigma_px: float = 1.0) -> np.ndarray:
    return (gaussian_filter(pixels.astype(np.float32), (sigma_px, sigma_px, 0), mode="nearest") + 0.5).astype(np.uint8)


def noisy(pixels: np.ndarray, seed: int, sigma: float = 0.1) -> np.ndarray:
    """`sigma` as a share of the range."""
    noise = np.random.default_rng(seed).normal(0, 255 * sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def is_right(attribute: str, value: object, scene: Scene, size_px: int) -> bool:
    """Exact, battery within 3 points (5 below 128 px); P1's hour 12 looks like 0."""
    true = scene.facts()[attribute]
    if value is None or true is None:
        return value is true
    if attribute == "battery":
        return abs(value - true) <= (3 if size_px >= 128 else 5)
    return value == (true % 12 if attribute == "hour" else true)


def shares_right(readings: list, scenes: list[Scene], size_px: int) -> dict[str, float]:
    pairs = list(zip(readings, scenes, strict=True))
    return {a: float(np.mean([is_right(a, reading[a].value, scene, size_px) for reading, scene in pairs])) for a in ATTRIBUTES}


def _icon_box(scene: Scene, config: WatchConfig, size_px: int) -> tuple[slice, slice]:
    shape = geometry_for(config, size_px)
    side = shape.icon_px(scene.icon_scale)
    top, left = shape.place(scene.weather_corner, side, side, scene.icon_offset)
    return slice(top, top + side), slice(left, left + side)


def _fill(scene: Scene, config: WatchConfig, size_px: int, box: tuple[slice, slice]) -> np.ndarray:
    """The corner is empty in a scene whose icon and battery lie in the two other corners."""
    others = [c for c in CORNERS if c not in (scene.weather_corner, scene.battery_corner)]
    behind = render(replace(scene, weather_corner=others[0], battery_corner=others[1], distractors=()), config, size_px)
    pixels = render(scene, config, size_px)
    pixels[box] = behind[box]
    return pixels
