"""What the tests of the shapes' reader share: halves painted over, and how much of readings is right."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bothways.worlds.shapes.geometry import geometry
from bothways.worlds.shapes.render import render
from bothways.worlds.shapes.scene import Scene

HALVES = ("upper", "lower", "left", "right")
_ALL_OF_AN_OBJECT = ("kind", "color", "size")
# Far from every colour of a shape and from the grounds of the default dial.
GREY = (0.5, 0.5, 0.5)


def with_half_painted_over(scene: Scene, at: int, half: str, size_px: int, rgb: tuple[float, float, float]) -> np.ndarray:
    """The rendering with half of shape `at` painted over."""
    pixels = render(scene, size_px)
    shape, where = scene.shapes[at], geometry(size_px)
    side = where.box_px(shape.size)
    top, left = where.corner(shape.place, shape.size, shape.offset)
    part = (side + 1) // 2
    if half == "lower":
        top += side - part
    if half == "right":
        left += side - part
    high, wide = (part, side) if half in ("upper", "lower") else (side, part)
    pixels[top : top + high, left : left + wide] = np.round(np.float32(rgb) * 255).astype(np.uint8)
    return pixels


def is_unread(seen: dict | None) -> bool:
    """Whether nothing is said about an object but that something is there."""
    return seen is None or all(seen[name] is None for name in _ALL_OF_AN_OBJECT)


def by_place(reading) -> dict[str, dict]:
    """The objects of a reading by their place."""
    return {seen["place"]: seen for seen in reading["objects"].value or ()}


def shares(readings, scenes) -> dict[str, dict[str, float]]:
    """For ground, count and objects (as a whole), and per object for kind, colour and size: shares right, wrong and unread.

    `invented` is the share of objects read where there is none, of all objects.
    """
    seen = {name: Counter() for name in ("ground", "count", "objects", *_ALL_OF_AN_OBJECT)}
    invented = 0
    for reading, scene in zip(readings, scenes, strict=True):
        facts = scene.facts()
        for name in ("ground", "count", "objects"):
            seen[name][_verdict(reading[name].value, facts[name])] += 1
        found = by_place(reading)
        invented += len(found.keys() - {true["place"] for true in facts["objects"]})
        for true in facts["objects"]:
            for name in _ALL_OF_AN_OBJECT:
                seen[name][_verdict(found.get(true["place"], {}).get(name), true[name])] += 1
    table = {name: {verdict: count[verdict] / count.total() for verdict in _VERDICTS} for name, count in seen.items()}
    table["invented"] = {"wrong": invented / seen["kind"].total()}
    return table


_VERDICTS = ("right", "wrong", "unread")


def _verdict(read, true) -> str:
    return "unread" if read is None else "right" if read == true else "wrong"
