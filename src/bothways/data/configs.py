"""What a run is trained on. No torch here."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from bothways.core.config import Config, part
from bothways.core.errors import ConfigError, unknown
from bothways.data import SOURCES
from bothways.data.patterns import Pairing

if TYPE_CHECKING:
    from bothways.data.items import AbstractItems
    from bothways.data.source import Source
    from bothways.worlds.world import AbstractWorld

Fit = Literal["stretch", "crop", "pad"]
"""How a picture becomes square: its sides scaled apart, the middle cut out, or white put at two sides."""


class SourceConfig(Config):
    """Base of the configs of sources; `kind` is a name from the catalogue."""

    kind: str
    samples_per_step: int = Field(0, ge=0)  # rows that each step takes from this source

    @abstractmethod
    def build(self, name: str, world: AbstractWorld, seed: int) -> Source:
        """The source called `name` of a recipe with that world. Raises: ConfigError or DataError when it cannot be had."""


class WorldSourceConfig(SourceConfig):
    """Samples of a world; the source's name says which: `watch/vqa`, `watch/caption`, `watch/draw`, `watch/edit` or
    `watch/text`. `watch/vqa/NAME` is another source of the same kind, in an order and in words of its own."""

    kind: Literal["world"] = "world"
    num_pictures: int = Field(0, ge=0)  # distinct pictures in the pool, repeated in epochs; 0 = a fresh picture every time
    pool: str = "shared"  # sources with the same pool name see the same pictures; other names, disjoint ones
    pairing: Pairing = (
        "own"  # a picture's texts: its own, another's (shuffled), none, or its own the other way round (reversed)
    )

    def build(self, name: str, world: AbstractWorld, seed: int) -> Source:
        from bothways.data.worlds import WorldSource

        room, _, what = name.partition("/")
        if room != world.kind:
            hint = f" A source of your own data needs a `kind` ({', '.join(kind for kind in SOURCES if kind != 'world')})."
            raise ConfigError(unknown("world in data.sources:", room, [world.kind]) + hint)
        return WorldSource(world, what, "train", self.num_pictures, self.pool, seed, self.pairing)


class ItemsConfig(SourceConfig):
    """A finite list of one's own items, in any format: which of them are good, and which are kept from training."""

    held_out: float = Field(0.1, ge=0, lt=1)  # share of the pictures kept for evaluation, chosen by their names
    max_bad_share: float = Field(0.01, ge=0, le=1)  # share of items that cannot be used above which a run does not start
    fit: Fit = "stretch"  # how pictures become square; `stretch` is what `bothways answer` and `caption` do with theirs

    def build(self, name: str, world: AbstractWorld, seed: int) -> Source:
        from bothways.data.items import ItemSource

        return ItemSource(name, self, seed)

    @abstractmethod
    def open(self) -> AbstractItems:
        """The items, in the order of the file. Raises: DataError when there is no such file, or it holds no list of items."""


class LlavaSourceConfig(ItemsConfig):
    """Conversations in LLaVA's format, pictures in questions or in answers."""

    kind: Literal["llava"] = "llava"
    path: str = ""  # JSON (a list) or JSONL file, from where the command runs
    images: str | None = None  # folder that the items' `image` paths begin in; null: the file's own
    where: dict[str, str | tuple[str, ...]] = {}  # keep items whose key has this value, or one of these: {task: caption}
    request: str | None = None  # turns captions into requests for drawings, e.g. "draw this: {caption}"; null: as they are

    @field_validator("request")
    @classmethod
    def _has_a_place_for_the_caption(cls, value: str | None) -> str | None:
        if value is not None and "{caption}" not in value:
            raise ValueError("expected a text with {caption} in it, e.g. 'draw this: {caption}'")
        return value

    def open(self) -> AbstractItems:
        from bothways.data.llava_items import LlavaItems

        return LlavaItems(self)


def _a_world_unless_told(value: Any) -> Any:
    return {"kind": "world"} | value if isinstance(value, dict) else value


AnySourceConfig = Annotated[part(SourceConfig, SOURCES), BeforeValidator(_a_world_unless_told)]


def kind_of(source: str) -> str:
    """What kind of samples a world's source has, by its name: `vqa` of watch/vqa and of watch/vqa/again; "" without a slash."""
    return source.partition("/")[2].partition("/")[0]


class MixtureConfig(Config):
    """The sources of a run by name. A world's sources are called `watch/vqa`, `watch/draw` ...; others as you like."""

    sources: dict[str, AnySourceConfig] = {}
    drop_condition: float = Field(0.1, ge=0, le=1)  # share of drawing samples whose request becomes `nothing` (for guidance)
    seed: int = 0  # names the shuffles, wordings and dropouts
