"""One picture of shapes as facts: drawn by seed, split and index; splits are disjoint in what a picture shows.

What a scene is
- A plain ground with a named colour, and 1 to 6 shapes. Each shape has a kind, a named colour, a size and a place.
- There are nine places, three rows of three (`PLACES`); no two shapes share one, so within a scene **the place names the
  shape**. Two shapes may well be alike in everything else. `Scene.shapes` stands in the order of places, always.
- A shape lies off the middle of its place by at most 0.03 of the picture's side (`geometry.py`): at 64 px boxes of two
  shapes are at least 2 px apart.
- Relations are decided by row and column alone: a shape is left of another if its column lies further left. Middles in
  different columns are then at least 0.27 of the side apart (17 px of 64) in x, those in the same column at most 0.06, and for
  those neither left nor right is true; rows alike. There is no "roughly left" to argue about.

Facts are `count` (int), `ground` (name) and `objects`: a list, in the order of places, of dicts with the keys `kind`, `color`,
`size` and `place`. A reading has the same three names. Where kind, colour or size of an object of a reading cannot be read it
is None; its place is always known. A picture with something that is no whole shape has such an object there and no readable
`count`. `objects` is None only where the picture as a whole is none of this world; its confidence is that of the least certain
object that was read.

A scene belongs to train, validation or test by a hash of what can be seen in it, so no two of these share a picture,
whatever their seeds. One pair of kind and colour in six is held out (`held_out`): a picture with such a pair occurs in the
split `composition` alone, where every picture has one; each kind and each colour occurs everywhere. Which pairs those are
depends on `composition_seed` alone, so a tokenizer trained on the train split of one world has not seen the test or
composition scenes of another with the same `composition_seed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from bothways.core.errors import DataError
from bothways.core.randomness import rng
from bothways.worlds.shapes.config import MAX_SHAPES, ShapesConfig
from bothways.worlds.shapes.palette import COLORS, GROUNDS, KINDS, PLACES

ATTRIBUTES: tuple[str, ...] = ("count", "ground", "objects")
OF_AN_OBJECT: tuple[str, ...] = ("kind", "color", "size", "place")

_SHARES = (("train", 0.8), ("validation", 0.9), ("test", 1.0))
_COLOR_JITTER = 0.03
_GROUND_JITTER = 0.02
_PLACE_INDEX = {name: index for index, name in enumerate(PLACES)}


@dataclass(frozen=True)
class Shape:
    """One shape. `rgb` in [0, 1] is what is painted, `color` its name; `offset` (x, y) from the middle of its place is in
    [-1, 1], 1 = 0.03 of the picture's side."""

    kind: str
    color: str
    size: str
    place: str
    rgb: tuple[float, float, float]
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def row(self) -> int:
        """0 = top, 2 = bottom."""
        return _PLACE_INDEX[self.place] // 3

    @property
    def column(self) -> int:
        """0 = left, 2 = right."""
        return _PLACE_INDEX[self.place] % 3

    def facts(self) -> dict[str, str]:
        """Kind, colour, size and place."""
        return {name: getattr(self, name) for name in OF_AN_OBJECT}


@dataclass(frozen=True)
class Scene:
    """The facts of one picture, then nuisance. `shapes` stands in the order of places; `ground_rgb` in [0, 1] is painted."""

    ground: str
    ground_rgb: tuple[float, float, float]
    shapes: tuple[Shape, ...]

    @property
    def count(self) -> int:
        """Number of shapes."""
        return len(self.shapes)

    def at(self, place: str) -> Shape | None:
        """The shape at a place, None where there is none. Raises: DataError when there is no such place."""
        if place not in _PLACE_INDEX:
            raise DataError(f"Unknown place `{place}`; places are {', '.join(PLACES)}.")
        return next((shape for shape in self.shapes if shape.place == place), None)

    @property
    def free_places(self) -> tuple[str, ...]:
        """Places without a shape."""
        taken = {shape.place for shape in self.shapes}
        return tuple(place for place in PLACES if place not in taken)

    def facts(self) -> dict[str, Any]:
        """`count`, `ground` and `objects` as JSON values."""
        return {"count": self.count, "ground": self.ground, "objects": [shape.facts() for shape in self.shapes]}


def in_order(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The shapes in the order of places."""
    return tuple(sorted(shapes, key=lambda shape: _PLACE_INDEX[shape.place]))


@lru_cache(maxsize=64)
def held_out_pairs(composition_seed: int) -> frozenset[tuple[str, str]]:
    """Pairs (kind, colour) kept for the split `composition`: one colour of every six for each kind, another for each."""
    generator = rng(composition_seed, "shapes", "held out")
    kinds = generator.permutation(len(KINDS)).tolist()
    # Colours are drawn six by six, so a dial of six colours has held-out pairs too.
    colors = [c for start in range(0, len(COLORS), 6) for c in generator.permutation(6).tolist()]
    return frozenset((kind, color) for i, kind in enumerate(KINDS) for j, color in enumerate(COLORS) if kinds[i] == colors[j])


def held_out(scene: Scene, composition_seed: int = 0) -> bool:
    """Whether the scene shows a pair of kind and colour that is kept for the split `composition`."""
    pairs = held_out_pairs(composition_seed)
    return any((shape.kind, shape.color) in pairs for shape in scene.shapes)


def split_of(scene: Scene, composition_seed: int = 0) -> str:
    """The only split in which this scene may occur. An edited scene has one too, often another than it began with."""
    if held_out(scene, composition_seed):
        return "composition"
    key = (scene.ground, *(tuple(shape.facts().values()) for shape in scene.shapes))
    share = int.from_bytes(blake2b(repr(key).encode(), digest_size=6).digest(), "big") / 2**48
    return next(split for split, below in _SHARES if share < below)


def draw_scene(config: ShapesConfig, split: str, index: int) -> Scene:
    """Scene `index` of a split; the same for ever. Raises: DataError when there is no such split."""
    if split not in ("train", "validation", "test", "composition"):
        raise DataError(f"Unknown split `{split}`; the shapes world has train, validation, test and composition.")
    generator = rng(config.seed, "shapes", split, index)
    dial = config.difficulty
    # Drawn once, so that rejection below does not favour scenes of few shapes, which rarely show a held-out pair.
    count = int(generator.integers(dial.min_shapes, dial.max_shapes + 1))
    while True:
        scene = _any_scene(config, count, generator)
        if split_of(scene, config.composition_seed) == split:
            return scene


def _any_scene(config: ShapesConfig, count: int, generator: np.random.Generator) -> Scene:
    dial = config.difficulty
    # One call draws everything: a numpy call costs microseconds, and rejection repeats it many times.
    u = generator.random((1 + MAX_SHAPES, 9)).tolist()
    ground = config.grounds[int(u[0][0] * dial.num_grounds)]
    left = list(PLACES)
    shapes = []
    for v in u[1 : 1 + count]:
        color = config.colors[int(v[0] * dial.num_colors)]
        shapes.append(
            Shape(
                kind=config.kinds[int(v[1] * dial.num_kinds)],
                color=color,
                size=dial.sizes[int(v[2] * len(dial.sizes))],
                place=left.pop(int(v[3] * len(left))),
                rgb=_near(COLORS[color], v[4:7], _COLOR_JITTER),
                offset=((2 * v[7] - 1) * dial.jitter, (2 * v[8] - 1) * dial.jitter),
            )
        )
    return Scene(ground, _near(GROUNDS[ground], u[0][1:4], _GROUND_JITTER), in_order(tuple(shapes)))


def _near(color: tuple[float, float, float], u: list[float], jitter: float) -> tuple[float, float, float]:
    r, g, b = (min(1.0, max(0.0, c + 2 * jitter * (x - 0.5))) for c, x in zip(color, u, strict=True))
    return (r, g, b)
