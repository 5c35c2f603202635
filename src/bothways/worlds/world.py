"""What every world offers: scenes by split and index, pictures of them, texts about them, and a reader of pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from bothways.core.config import Config, digest_of
from bothways.core.sample import AbstractPicture
from bothways.worlds.hide import HidingTask

Split = Literal["train", "validation", "test", "composition"]
# "exam" is what evaluation asks: nothing hidden, nothing misnamed, every attribute asked once; the first request names
# everything, a second one leaves something open; one edit of each kind that the scene allows.
Task = Literal["understanding", "drawing", "editing", "text", "exam"]
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
class Edit:
    """A change asked for in words, and the scene that the changed picture shows; `kind` is the world's name for the change.

    What has to be as asked and what has to stay follows from the facts of both scenes: `AbstractWorld.edit_marks`.
    """

    instruction: str
    kind: str
    scene: Any


@dataclass(frozen=True)
class Said:
    """Everything said about one scene for one task; a task without such texts leaves the field empty.

    `questions` are the turns of one conversation; no answer follows from an earlier one. `tellings` are for samples of
    text alone: the questions beside one can be answered from its text. `edits` is empty where a scene allows none that stays
    in its split.
    """

    questions: tuple[Ask, ...] = ()
    captions: tuple[Telling, ...] = ()
    requests: tuple[Telling, ...] = ()
    tellings: tuple[Telling, ...] = ()
    edits: tuple[Edit, ...] = ()


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

    def exchanged(self, wrong_in: HidingTask) -> dict[str, Any] | None:
        """Keys of this config, with values, under which the texts of one task call two values by each other's names and the
        other task's texts, edits apart, never name them; None where the world cannot do that."""
        return None


class AbstractWorld(ABC):
    """A world with known scenes. Attributes are named facts; a reading names the same ones.

    What evaluation has to know of a world, the world says: `levels` are attributes whose scores are averaged under one name,
    `primary` the level (or measure) of each skill that is evidence, `gates` what sits at the ceiling once anything is learned
    and so is never evidence, `gate` the attributes of which a drawing should carry all.
    """

    kind: str
    attributes: tuple[str, ...]
    config: WorldConfig
    levels: Mapping[str, tuple[str, ...]] = {}
    primary: Mapping[str, str] = {}  # "reading", "drawing" -> level
    gates: tuple[str, ...] = ()
    gate: tuple[str, ...] = ()
    misnamed: Mapping[str, Mapping[Any, Any]] = {}  # attribute -> value -> the value by whose name one task's texts call it

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

    def answers(self, scene: Any) -> dict[str, str]:
        """Attribute -> canonical answer of all that an exam asks about this scene."""
        return {ask.attribute: ask.answer for ask in self.say(scene, "exam", np.random.default_rng(0)).questions}

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

    def claims(self, stated: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
        """What a text states as single claims, to be compared with the facts' own claims key by key.

        Before any "@" a key names the attribute. Worlds of several objects tell by `facts` which one a text means.
        """
        return dict(stated)

    def marks(self, wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
        """Scores in [0, 1] of a drawing beyond attribute by attribute: of what is a set of objects, in any order.

        `wanted`: what a request states; `seen`: what was read, None where unreadable. Names are the same for equal `wanted`.
        """
        return {}

    @abstractmethod
    def edit_marks(self, before: Mapping[str, Any], wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
        """Scores of an edited picture, each 0 or 1: `asked`, what was to change is as it was asked for; `kept`, what was to
        stay and counts is as it was. Further names are reported beside them, where they mean something for this edit.

        `before`, `wanted`: facts of the scene given and of the edited one; `seen`: what was read, None where unreadable.
        """

    def picture(self, split: Split, index: int) -> ScenePicture:
        """The picture of a scene, rendered when its pixels are asked for."""
        return ScenePicture(self, self.scene(split, index), f"{self.kind}/{self.picture_digest()}/{split}/{index}")

    def picture_of(self, scene: Any) -> ScenePicture:
        """The picture of a scene that was edited, and so has no index."""
        return ScenePicture(self, scene, f"{self.kind}/{self.picture_digest()}/scene/{digest_of(repr(scene))}")


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
