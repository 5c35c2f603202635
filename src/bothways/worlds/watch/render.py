"""Draws a scene: float32 arithmetic on small boxes, edges anti-aliased from signed distances, masks cached by size.

The slow obvious way (every part over the whole picture, nothing cached) gives the same pixels; a test holds that.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.geometry import Geometry, geometry_for
from bothways.worlds.watch.icons import template
from bothways.worlds.watch.palette import COLORS
from bothways.worlds.watch.scene import Scene

MARKS = {"hour": 12, "minute": 60, "second": 60}
BAR_OUTLINE = (70.0, 70.0, 78.0)
BAR_FILL = (30.0, 165.0, 70.0)
TEXT_COLOR = (50.0, 50.0, 58.0)
_WHITE = (1.0, 1.0, 1.0)
_DARK = (0.08, 0.08, 0.08)
_ACCENTS = ((0.95, 0.1, 0.1), (1.0, 0.9, 0.1), (0.1, 0.9, 0.95), (1.0, 0.15, 0.9), (0.1, 0.2, 1.0), (0.1, 0.8, 0.2))

Box = tuple[slice, slice]


def render(scene: Scene, config: WatchConfig, size_px: int) -> np.ndarray:
    """uint8 (size_px, size_px, 3). Raises: ConfigError outside 48 to 512 px."""
    shape = geometry_for(config, size_px)
    canvas = _ground(shape, scene.ground_seed)
    paint(canvas, *disc_mask(shape), np.float32(scene.rgb) * 255)
    for hand, color in hand_colors(scene.color, config.faithful_to_p1).items():
        if hand in scene.hands_shown:
            paint(canvas, *hand_mask(shape, hand, getattr(scene, hand) % MARKS[hand]), color)
    icon_px = shape.icon_px(scene.icon_scale)
    _stamp(canvas, shape, scene.weather, scene.weather_corner, icon_px, scene.icon_offset)
    for distractor in scene.distractors:
        _stamp(canvas, shape, distractor.shape, distractor.corner, shape.icon_px(), distractor.offset)
    corner = scene.battery_corner
    top, left = shape.place(corner, *shape.block_px, scene.battery_offset)
    # The percentage stands on the side of the picture's middle.
    draw_battery(canvas, shape, scene.battery, top, left, text_above=corner.startswith("bottom"))
    return (canvas + 0.5).astype(np.uint8)


def paint(canvas: np.ndarray, box: Box, mask: np.ndarray, color: np.ndarray) -> None:
    """Lays `color` (0 to 255) over the box of a canvas, in place, as far as `mask` (h, w, 1) in [0, 1] says."""
    part = canvas[box]
    part += mask * (color - part)


@lru_cache(maxsize=256)
def hand_colors(color: str, faithful_to_p1: bool) -> dict[str, np.ndarray]:
    """Colours (0 to 255) by hand, in drawing order, for a disc of that name.

    Hour and minute are white or dark, whichever has more contrast; the second is the accent that stands out most from both.
    """
    if faithful_to_p1:
        return {hand: np.float32(_WHITE) * 255 for hand in MARKS}
    disc = COLORS[color]
    plain = max((_WHITE, _DARK), key=lambda c: _contrast(c, disc))
    accent = max(_ACCENTS, key=lambda c: min(_distance(c, disc), _distance(c, plain), _contrast(c, disc) - 1))
    return {"hour": np.float32(plain) * 255, "minute": np.float32(plain) * 255, "second": np.float32(accent) * 255}


@lru_cache(maxsize=64)
def disc_mask(shape: Geometry) -> tuple[Box, np.ndarray]:
    """Box and coverage of the disc."""
    low = int(shape.center - shape.radius) - 1
    box = (slice(low, shape.size_px - low), slice(low, shape.size_px - low))
    y, x = _grid(shape, box)
    return box, _coverage(shape.radius - np.hypot(x, y))


@lru_cache(maxsize=4096)
def hand_mask(shape: Geometry, hand: str, mark: int) -> tuple[Box, np.ndarray]:
    """Box and coverage of a hand that points at `mark` (12 marks for the hour, 60 for the others; 0 is up)."""
    angle = 2 * np.pi * mark / MARKS[hand]
    length, half = shape.hands[hand].length, shape.hands[hand].width / 2
    tip_x, tip_y = length * np.sin(angle), -length * np.cos(angle)
    box = tuple(
        slice(int(shape.center + min(0.0, tip) - half - 1), int(np.ceil(shape.center + max(0.0, tip) + half + 1)))
        for tip in (tip_y, tip_x)
    )
    y, x = _grid(shape, box)
    along = np.clip((x * tip_x + y * tip_y) / length**2, 0, 1)
    # Thinner than a pixel: the capsule's coverage is its width.
    mask = _coverage(half - np.hypot(x - along * tip_x, y - along * tip_y))
    return box, mask * np.float32(min(1.0, 2 * half))


def draw_battery(canvas: np.ndarray, shape: Geometry, battery: int, top: int, left: int, text_above: bool) -> None:
    """Bar, tip and, where it is legible, the percentage, in place; the block of all three starts at `top`, `left`."""
    width, height = shape.bar_px
    bar_top = top + (shape.font_px + 1 if shape.font_px and text_above else 0)
    box = (slice(bar_top, bar_top + height), slice(left, left + width + shape.tip_px))
    canvas[box] = battery_patch(shape, battery, canvas[box])
    if shape.font_px:
        draw_percentage(canvas, shape, battery, top if text_above else top + height + 1, left)


def draw_percentage(canvas: np.ndarray, shape: Geometry, battery: int, top: int, left: int) -> None:
    """The text "57%", in place, in the middle of a block that starts at `left`."""
    mask = percentage(battery, shape.font_px)
    high, wide = mask.shape[:2]
    left += (shape.block_px[0] - wide) // 2
    paint(canvas, (slice(top, top + high), slice(left, left + wide)), mask, np.float32(TEXT_COLOR))


def battery_patch(shape: Geometry, battery: int, under: np.ndarray) -> np.ndarray:
    """Pixels (height, width + tip, 3) of the bar over what lies under it. The filled share of the inside is battery / 100."""
    outline, inside = _bar_masks(shape)
    width, _ = shape.bar_px
    border = _border(shape)
    filled = np.clip((width - 2 * border) * battery / 100 + border - np.arange(outline.shape[1], dtype=np.float32), 0, 1)
    fill = np.where(inside, 255 + filled[None, :, None] * (np.float32(BAR_FILL) - 255), 0)
    return np.where(inside, fill, under + outline * (np.float32(BAR_OUTLINE) - under)).astype(np.float32)


def _border(shape: Geometry) -> int:
    return max(1, round(shape.bar_px[1] / 8))


@lru_cache(maxsize=64)
def _bar_masks(shape: Geometry) -> tuple[np.ndarray, np.ndarray]:
    width, height = shape.bar_px
    border = _border(shape)
    outline = np.zeros((height, width + shape.tip_px, 1), np.float32)
    outline[:, :width] = 1
    outline[[0, 0, -1, -1], [0, width - 1, 0, width - 1]] = 0.5
    margin = max(1, round(height / 3.5))
    outline[margin : height - margin, width:] = 1
    inside = np.zeros(outline.shape, bool)
    inside[border : height - border, border : width - border] = True
    return outline, inside


@lru_cache(maxsize=512)
def percentage(battery: int, font_px: int) -> np.ndarray:
    """Coverage (h, w, 1) of the text "57%" in Pillow's own font, cut to its ink."""
    font = ImageFont.load_default(size=font_px)
    text = f"{battery}%"
    image = Image.new("L", (4 * font_px, 2 * font_px))
    ImageDraw.Draw(image).text((font_px // 2, 0), text, fill=255, font=font)
    left, top, right, bottom = image.getbbox()
    return np.asarray(image.crop((left, top, right, bottom)), np.float32)[..., None] / 255


def _stamp(canvas: np.ndarray, shape: Geometry, kind: str, corner: str, px: int, offset: tuple[float, float]) -> None:
    through, colors = template(kind, px)
    top, left = shape.place(corner, px, px, offset)
    box = (slice(top, top + px), slice(left, left + px))
    canvas[box] = canvas[box] * through + colors


def _ground(shape: Geometry, seed: int | None) -> np.ndarray:
    size = shape.size_px
    canvas = np.full((size, size, 3), 255, np.float32)
    if seed is None:
        return canvas
    generator = np.random.Generator(np.random.PCG64(seed))
    whole = (slice(0, size), slice(0, size))
    y, x = _grid(shape, whole)
    for u in generator.random((10, 7)).astype(np.float32):
        at_x, at_y = (u[0] - 0.5) * size, (u[1] - 0.5) * size
        pale = 255 * (0.8 + 0.18 * u[4:7])
        stretch = 0.4 + 1.2 * u[3]
        distance = np.hypot((x - at_x) * stretch, (y - at_y) / stretch)
        paint(canvas, whole, _coverage((0.04 + 0.1 * u[2]) * size - distance), pale)
    return canvas


def _grid(shape: Geometry, box: Box) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(box[0].start, box[0].stop, dtype=np.float32) + 0.5 - shape.center
    x = np.arange(box[1].start, box[1].stop, dtype=np.float32) + 0.5 - shape.center
    return y[:, None], x[None, :]


def _coverage(depth: np.ndarray) -> np.ndarray:
    """Share of a pixel inside an edge that lies `depth` px beyond its middle; (h, w, 1)."""
    return np.clip(depth + 0.5, 0, 1).astype(np.float32)[..., None]


def _contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Contrast ratio of two colours. Source: WCAG 2.2, definition of contrast ratio."""
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _distance(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return float(sum(weight * (p - q) ** 2 for weight, p, q in zip((2, 4, 3), a, b, strict=True)))
