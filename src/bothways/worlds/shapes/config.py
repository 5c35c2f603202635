"""Config of the shapes world: a difficulty dial with named levels. What the words mean stands in `scene.py`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, model_validator

from bothways.core.config import Config, digest_of, merge
from bothways.core.errors import ConfigError, unknown
from bothways.worlds.hide import AbstractHide
from bothways.worlds.shapes.palette import COLORS, GROUNDS, KINDS, SIZES
from bothways.worlds.shapes.speech import Speech
from bothways.worlds.world import WorldConfig

if TYPE_CHECKING:
    from bothways.worlds.shapes.world import ShapesWorld

MAX_SHAPES = 6

OfAnObject = Literal["kind", "color", "size", "place"]
Question = Literal[
    "count", "ground", "kind", "color", "size", "place",
    "count_of", "exists", "more", "larger", "same_color", "same_kind", "left_of", "above",
]  # fmt: skip
EVERY_QUESTION: tuple[Question, ...] = get_args(Question)


class Dial(Config):
    """How hard a picture is to read and draw. Keys that decide no pixels are left out of `picture_digest`."""

    min_shapes: int = Field(1, ge=1, le=MAX_SHAPES, description="fewest shapes in a picture")
    max_shapes: int = Field(MAX_SHAPES, ge=1, le=MAX_SHAPES, description="most shapes in a picture")
    num_kinds: int = Field(6, ge=3, le=len(KINDS), description="kinds of shape in use: the first n")
    num_colors: int = Field(8, ge=6, le=len(COLORS), description="shape colours in use: the first n")
    num_grounds: int = Field(4, ge=1, le=len(GROUNDS), description="ground colours in use: the first n")
    sizes: tuple[Literal["small", "large"], ...] = Field(SIZES, description="sizes in use: both, or one alone")
    jitter: float = Field(
        1.0, ge=0, le=1, description="how far a shape may lie from the middle of its place; 1 = 0.03 of the side"
    )
    asked: tuple[Question, ...] = Field(EVERY_QUESTION, min_length=1, description="kinds of question that are asked")

    @model_validator(mode="after")
    def _shapes_can_be_drawn(self) -> Dial:
        if self.min_shapes > self.max_shapes:
            raise ConfigError(f"Found min_shapes {self.min_shapes} above max_shapes {self.max_shapes}; lower the first.")
        if not self.sizes or len(set(self.sizes)) != len(self.sizes):
            raise ConfigError(f"Found sizes {list(self.sizes)}; name `small`, `large` or both, each once.")
        return self


LEVELS: dict[str, dict[str, Any]] = {
    "all": {},
    "one": {"max_shapes": 1},
    "glance": {"max_shapes": 3, "num_kinds": 3, "num_colors": 6, "num_grounds": 2, "jitter": 0.0},
    "pairs": {"min_shapes": 2, "max_shapes": 3},
    "attributes": {"asked": ("kind", "color", "size", "place")},
    "counts": {"asked": ("count", "count_of", "exists", "more")},
    "relations": {"min_shapes": 2, "asked": ("larger", "same_color", "same_kind", "left_of", "above")},
    "crowd": {"min_shapes": 4, "num_colors": 12, "num_grounds": 6},
}


class Hide(AbstractHide):
    """What is hidden of shapes: a fact of single ones, their number, or the ground."""

    attribute: OfAnObject | Literal["count", "ground"]


class ShapesConfig(WorldConfig):
    """The shapes world. `level` names a preset of the dial, `dial` changes single values of it."""

    kind: Literal["shapes"] = "shapes"
    seed: int = Field(0, ge=0, description="names the stream of scenes")
    composition_seed: int = Field(
        0,
        ge=0,
        description="chooses the pairs of kind and colour that the split `composition` alone shows; shipped tokenizers: 0",
    )
    level: str = Field("all", description="a preset of the dial: " + ", ".join(LEVELS))
    dial: dict[str, Any] = Field({}, description="changes to the level's dial, e.g. {num_colors: 12}")
    hide: Hide | None = None
    speech: Speech | None = Field(None, description="proportions of the texts; none: the house's")

    @model_validator(mode="after")
    def _dial_is_valid(self) -> ShapesConfig:
        _ = self.difficulty
        return self

    @cached_property
    def difficulty(self) -> Dial:
        """The dial in force. Raises: ConfigError when `level` or a key of `dial` does not exist."""
        if self.level not in LEVELS:
            raise ConfigError(unknown("level of the shapes world", self.level, LEVELS))
        return Dial.parse(merge(LEVELS[self.level], self.dial), where="dial")

    def build(self) -> ShapesWorld:
        """The world. Raises: ConfigError."""
        from bothways.worlds.shapes.world import ShapesWorld

        return ShapesWorld(self)

    def picture_digest(self) -> str:
        """Twelve hex digits of all that decides pixels; worlds that differ in their texts alone share it."""
        dial = {key: value for key, value in self.difficulty.to_dict().items() if key != "asked"}
        return digest_of([self.seed, self.composition_seed, dial])

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of shape in use."""
        return KINDS[: self.difficulty.num_kinds]

    @property
    def colors(self) -> tuple[str, ...]:
        """Names of the shape colours in use."""
        return tuple(COLORS)[: self.difficulty.num_colors]

    @property
    def grounds(self) -> tuple[str, ...]:
        """Names of the ground colours in use."""
        return tuple(GROUNDS)[: self.difficulty.num_grounds]
