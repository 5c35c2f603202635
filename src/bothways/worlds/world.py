"""What every world offers: scenes by split and index, pictures of them, texts about them, and a reader of pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from bothways.core.config import Config
from bothways.core.sample import AbstractPicture

Split = Literal["train", "validation", "test", "composition"]
# "exam" is what evaluation asks: nothing hidden, nothing misnamed, every attribute asked once; the first request names
# everything, a second one leaves something open.
Task = Literal["understanding", "drawing", "text", "exam"]
Tier = Literal["attribute", "two_facts"]


@dataclass(frozen=True)
class Ask:
    """A question about a picture and its canonical answer. `attribute` is the one that the answer states."""

    attribute: str
    tier: Tier
    question: str
    answer: str


@dataclass(frozen=True)
class Telling:
    """A text that states facts: `states` maps each attribute in it to the value stated; `prompt` asks for it."""

    text: str
    states: dict[str, Any]
    prompt: str = ""


@dataclass(frozen=True)
class Said:
    """Everything said about one scene for one task; a task without such texts leaves the field empty.

    `questions` are the turns of one conversation; no answer follows from an earlier one. `tellings` are for samples of
    text alone: the questions beside one can be answered from its text.
    """

    questions: tuple[Ask, ...] = ()
    captions: tuple[Telling, ...] = ()
    requests: tuple[Telling, ...] = ()
    tellings: tuple[Telling, ...] = ()


@dataclass(frozen=True)
class Read:
    """One attribute as read from pixels. `value` None = unreadable; `confidence` in [0, 1] of what is stated."""

    value: Any
    confidence: float


@dataclass(frozen=True)
class Reading(Mapping[str, Read]):
    """All attributes as read from one picture."""

    reads: dict[str, Read] = field(default_factory=dict)

    def __getitem__(self, attribute: str) -> Read:
        return self.reads[attribute]

    def __iter__(self) -> Iterator[str]:
        return iter(self.reads)

    def __len__(self) -> int:
        return len(self.reads)

    def to_json(self) -> dict[str, Any]:
        """Attribute to value, null where unreadable."""
        return {attribute: read.value for attribute, read in self.reads.items()}


class WorldConfig(Config):
    """Base of the configs of worlds; `kind` is a name from the catalogue."""

    kind: str

    @abstractmethod
    def build(self) -> AbstractWorld:
        """The world. Raises: ConfigError."""


class AbstractWorld(ABC):
    """A world with known scenes. Attributes are named facts; a reading names the same ones."""

    kind: str
    attributes: tuple[str, ...]
    config: WorldConfig

    @abstractmethod
    def scene(self, split: Split, index: int) -> Any:
        """Scene `index` of a split: a function of the config's seed, the split and the index. Splits are disjoint."""

    @abstractmethod
    def render(self, scene: Any, size_px: int) -> np.ndarray:
        """uint8 (size_px, size_px, 3). Raises: ConfigError for a size outside the world's range."""

    @abstractmethod
    def read(self, pixels: np.ndarray) -> Reading:
        """What uint8 `pixels` (H, W, 3) show. Raises: DataError for anything but a square colour picture."""

    @abstractmethod
    def facts(self, scene: Any) -> dict[str, Any]:
        """The scene's facts as JSON values."""

    @abstractmethod
    def picture_digest(self) -> str:
        """A short name for all settings that decide pixels; settings of texts do not change it."""

    @abstractmethod
    def say(self, scene: Any, task: Task, rng: np.random.Generator) -> Said:
        """Texts about the scene for one task; facts hidden from the task are removed before any text is made."""

    @abstractmethod
    def answer(self, scene: Any, attribute: str) -> str:
        """The canonical short answer."""

    @abstractmethod
    def understand(self, attribute: str, text: str) -> Any:
        """The value that an answer states, None when it is malformed."""

    @abstractmethod
    def grade(self, attribute: str, text: str, scene: Any) -> float:
        """Score of an answer in [0, 1]."""

    @abstractmethod
    def hear(self, caption_text: str) -> dict[str, Any]:
        """The attribute values that a caption states."""

    def speaking_of(self, index: int) -> AbstractWorld:
        """The world that speaks of picture `index` of a pool: `hide.keep` hides nothing of the first of them."""
        hide = getattr(self.config, "hide", None)
        return self._open if hide and index < hide.keep else self

    @cached_property
    def _open(self) -> AbstractWorld:
        return self.config.with_changes({"hide": None}).build()

    def picture(self, split: Split, index: int) -> ScenePicture:
        """The picture of a scene, rendered when its pixels are asked for."""
        return ScenePicture(self, self.scene(split, index), f"{self.kind}/{self.picture_digest()}/{split}/{index}")


@dataclass(frozen=True)
class ScenePicture(AbstractPicture):
    """A promise of a rendering; `scene` is what it shows."""

    world: AbstractWorld = field(repr=False)
    scene: Any
    name: str

    @property
    def key(self) -> str:
        return self.name

    def pixels(self, size_px: int) -> np.ndarray:
        """uint8 (size_px, size_px, 3)."""
        return self.world.render(self.scene, size_px)
