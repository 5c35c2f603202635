"""Config of the watch world: a difficulty dial with named levels, what is hidden from one task, P1's flaws on request."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from bothways.core.config import Config, digest_of, merge
from bothways.core.errors import ConfigError, unknown
from bothways.worlds.hide import AbstractHide, HidingTask
from bothways.worlds.watch.palette import COLORS, HANDS, WEATHERS
from bothways.worlds.watch.speech import Speech
from bothways.worlds.world import Tier, WorldConfig

if TYPE_CHECKING:
    from bothways.worlds.watch.world import WatchWorld

ATTRIBUTES: tuple[str, ...] = (
    "hour",
    "minute",
    "second",
    "weather",
    "battery",
    "weather_corner",
    "battery_corner",
    "color",
)
Attribute = Literal["hour", "minute", "second", "weather", "battery", "weather_corner", "battery_corner", "color"]


class Dial(Config):
    """How hard a picture is to read and draw, and what is asked about it."""

    num_weathers: int = Field(3, ge=3, le=len(WEATHERS), description="weather icons in use: the first n")
    num_colors: int = Field(12, ge=6, le=len(COLORS), description="disc colours with a name: the first n")
    hands: tuple[Literal["hour", "minute", "second"], ...] = Field(HANDS, description="hands that are drawn")
    jitter: float = Field(0.0, ge=0, le=1, description="how far icon and bar move, as a share of the room in the corner")
    scale_spread: float = Field(0.0, ge=0, le=0.3, description="icons are drawn at 1 to 1 + this times their size")
    num_distractors: int = Field(0, ge=0, le=2, description="grey shapes without meaning, in corners left over")
    ground: Literal["plain", "cluttered"] = Field("plain", description="white, or white with pale shapes")
    large_bar: bool = Field(False, description="battery bar 24 px wide at 64 px instead of 16")
    bold_second: bool = Field(False, description="second hand as wide as the minute hand")
    battery_step: Literal[1, 10] = Field(1, description="battery is a multiple of this, in percent")
    second_step: Literal[1, 5] = Field(1, description="second is a multiple of this; 5 = twelfths of the dial")
    asked: tuple[Attribute, ...] = Field(ATTRIBUTES, description="attributes that texts speak of")
    tiers: tuple[Tier, ...] = Field(("attribute", "two_facts"), description="kinds of question")

    @model_validator(mode="after")
    def _asked_is_drawn(self) -> Dial:
        missing = [hand for hand in HANDS if hand in self.asked and hand not in self.hands]
        if missing:
            raise ConfigError(f"The dial asks for `{missing[0]}` but draws the hands {list(self.hands)}; draw it or ask less.")
        return self


_GLANCE = ("weather", "weather_corner", "battery_corner", "color")

LEVELS: dict[str, dict[str, Any]] = {
    "all": {},
    "glance": {"asked": _GLANCE, "tiers": ("attribute",)},
    "glance+": {
        "asked": _GLANCE,
        "tiers": ("attribute",),
        "num_weathers": 12,
        "jitter": 1.0,
        "scale_spread": 0.15,
        "num_distractors": 2,
    },
    "hands": {"asked": ("hour", "minute"), "tiers": ("attribute",), "hands": ("hour", "minute")},
    "fine": {
        "asked": ("second", "battery"),
        "tiers": ("attribute",),
        "large_bar": True,
        "bold_second": True,
        "battery_step": 10,
        "second_step": 5,
    },
    "two facts": {"tiers": ("two_facts",)},
    "composition": {"asked": ("hour", *_GLANCE), "tiers": ("attribute",)},
}


class Hide(AbstractHide):
    """What is hidden of a watch: `how="value"` takes a canonical value, e.g. sunny or 7."""

    attribute: Attribute


class MadeUpNames(Config):
    """Weather icons are called "zib", "dax", ... (assigned by the world's seed) in every text."""

    wrong_in: HidingTask | None = Field(None, description="the task whose data use wrong names; None: right names in both")
    how: Literal["swapped", "shuffled"] = Field("swapped", description="two names exchanged, or all permuted")


class WatchConfig(WorldConfig):
    """The watch world. `level` names a preset of the dial, `dial` changes single values of it."""

    kind: Literal["watch"] = "watch"
    seed: int = Field(0, ge=0, description="names the stream of scenes")
    level: str = Field("all", description="a preset of the dial: " + ", ".join(LEVELS))
    dial: dict[str, Any] = Field({}, description="changes to the level's dial, e.g. {num_weathers: 12}")
    hide: Hide | None = None
    made_up_names: MadeUpNames | None = None
    speech: Speech | None = Field(None, description="proportions of the texts; none: the house's, or P1's if faithful")
    faithful_to_p1: bool = Field(False, description="P1's flaws and proportions: hour 0-12, white thin hands, any colour")

    @model_validator(mode="after")
    def _dial_is_valid(self) -> WatchConfig:
        _ = self.difficulty
        if self.hide and self.hide.attribute not in self.difficulty.asked:
            raise ConfigError(
                f"hide.attribute is `{self.hide.attribute}`, which level `{self.level}` never asks for; "
                f"choose one of {', '.join(self.difficulty.asked)}."
            )
        return self

    @cached_property
    def difficulty(self) -> Dial:
        """The dial in force. Raises: ConfigError when `level` or a key of `dial` does not exist."""
        if self.level not in LEVELS:
            raise ConfigError(unknown("level of the watch world", self.level, LEVELS))
        return Dial.parse(merge(LEVELS[self.level], self.dial), where="dial")

    def build(self) -> WatchWorld:
        """The world. Raises: ConfigError."""
        from bothways.worlds.watch.world import WatchWorld

        return WatchWorld(self)

    def exchanged(self, wrong_in: HidingTask) -> dict[str, Any] | None:
        """Two weathers exchange their (made-up) names; only where texts speak of the weather."""
        if "weather" not in self.difficulty.asked:
            return None
        other = "drawing" if wrong_in == "understanding" else "understanding"
        return {
            "hide": {"attribute": "weather", "from": other, "how": "link", "value": None, "keep": 0},
            "made_up_names": {"wrong_in": wrong_in, "how": "swapped"},
        }

    def picture_digest(self) -> str:
        """Twelve hex digits of all that decides pixels; worlds that differ in their texts alone share it."""
        dial = {key: value for key, value in self.difficulty.to_dict().items() if key not in ("asked", "tiers")}
        return digest_of([self.seed, dial, self.faithful_to_p1])

    @property
    def weathers(self) -> tuple[str, ...]:
        """Weather kinds in use."""
        return WEATHERS[: self.difficulty.num_weathers]

    @property
    def colors(self) -> tuple[str, ...]:
        """Names of the disc colours in use."""
        return tuple(COLORS)[: self.difficulty.num_colors]
