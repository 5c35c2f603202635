"""Edits of a scene: pure functions from scenes to scenes. A shape is named by its place. What would be no scene is refused.

An edited scene has a split of its own (`scene.split_of`): whoever makes training data of edits keeps those that stay in it.
"""

from __future__ import annotations

from dataclasses import replace

from bothways.core.errors import DataError, unknown
from bothways.worlds.shapes.config import MAX_SHAPES
from bothways.worlds.shapes.palette import COLORS, KINDS, SIZES
from bothways.worlds.shapes.scene import Scene, Shape, in_order


def with_added(
    scene: Scene,
    kind: str,
    color: str,
    size: str,
    place: str,
    rgb: tuple[float, float, float] | None = None,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Scene:
    """The scene with one shape more; its `rgb` is the colour's own where none is given.

    Raises: DataError when the place is taken, the scene is full, or a name does not exist.
    """
    for what, found, known in (("kind of shape", kind, KINDS), ("colour", color, COLORS), ("size", size, SIZES)):
        if found not in known:
            raise DataError(unknown(what, found, known))
    _free(scene, place)
    if scene.count >= MAX_SHAPES:
        raise DataError(f"The scene has {scene.count} shapes already, the most there can be; remove one first.")
    added = Shape(kind, color, size, place, rgb or COLORS[color], offset)
    return replace(scene, shapes=in_order((*scene.shapes, added)))


def without(scene: Scene, place: str) -> Scene:
    """The scene without the shape at a place. Raises: DataError when there is none, or no other."""
    gone = _taken(scene, place)
    if scene.count == 1:
        raise DataError(f"The shape at `{place}` is the only one, and a scene has at least one; add another first.")
    return replace(scene, shapes=tuple(shape for shape in scene.shapes if shape is not gone))


def recoloured(scene: Scene, place: str, color: str, rgb: tuple[float, float, float] | None = None) -> Scene:
    """The scene with the shape at a place in another colour; `rgb` as in `with_added`.

    Raises: DataError when there is no shape, no such colour, or it has that colour already.
    """
    shape = _taken(scene, place)
    if color not in COLORS:
        raise DataError(unknown("colour", color, COLORS))
    if shape.color == color:
        raise DataError(f"The shape at `{place}` is {color} already; name another colour.")
    return _exchanged(scene, shape, replace(shape, color=color, rgb=rgb or COLORS[color]))


def moved(scene: Scene, place: str, to: str) -> Scene:
    """The scene with the shape at `place` moved to the free place `to`, its offset kept.

    Raises: DataError when there is no shape at `place`, or `to` is taken or no place.
    """
    shape = _taken(scene, place)
    _free(scene, to)
    return _exchanged(scene, shape, replace(shape, place=to))


def _exchanged(scene: Scene, old: Shape, new: Shape) -> Scene:
    return replace(scene, shapes=in_order(tuple(new if shape is old else shape for shape in scene.shapes)))


def _taken(scene: Scene, place: str) -> Shape:
    shape = scene.at(place)
    if shape is None:
        taken = ", ".join(shape.place for shape in scene.shapes)
        raise DataError(f"There is no shape at `{place}`; this scene has shapes at {taken}.")
    return shape


def _free(scene: Scene, place: str) -> None:
    if scene.at(place) is not None:
        raise DataError(f"There is a shape at `{place}` already; free places are {', '.join(scene.free_places)}.")
