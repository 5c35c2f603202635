"""What a recipe of a second reader holds. No torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from bothways.core.config import Config, part
from bothways.core.errors import ConfigError
from bothways.evaluate.second.configs import AnySecondReaderConfig, WatchReaderConfig
from bothways.train.config import TrainConfig
from bothways.vision.configs import AnyTokenizerConfig
from bothways.worlds import WORLDS
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.world import WorldConfig


class ReaderRecipe(Config):
    """A second reader, the pictures that it learns from, and where it is examined beside the world's own reader."""

    kind: Literal["reader"] = "reader"
    name: str = "unnamed"
    about: str = ""  # one line for `bothways recipes`
    worlds: dict[str, part(WorldConfig, WORLDS)] = {"all": WatchConfig()}  # pictures come from the train split of these
    shares: dict[str, float] = {"all": 1.0}  # share of each world in every step
    reader: AnySecondReaderConfig = WatchReaderConfig()
    tokenizers: dict[str, AnyTokenizerConfig] = {}  # those that rebuild some of the pictures
    samples_per_step: int = Field(32, gt=0)  # pictures in a step, all of them fresh
    rebuilt_per_step: int = Field(0, ge=0)  # of these, pictures that go through one of the tokenizers, another each step
    train: TrainConfig = TrainConfig()
    examined: tuple[str, ...] = ("all",)  # worlds on whose test split both readers are examined in the end
    num_held_out: int = Field(500, gt=0)  # scenes of each such examination

    @model_validator(mode="after")
    def _fits(self) -> ReaderRecipe:
        others = [name for name, world in self.worlds.items() if world.kind != self.reader.kind]
        if others:
            raise ConfigError(
                f"The reader is one of `{self.reader.kind}` and the world `{others[0]}` is of the kind "
                f"`{self.worlds[others[0]].kind}`; a second reader reads one world."
            )
        if sorted(self.shares) != sorted(self.worlds) or abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ConfigError(
                f"Found the shares {self.shares} of {', '.join(self.worlds)}; give each its share, adding up to 1."
            )
        unknown = [name for name in self.examined if name not in self.worlds]
        if unknown:
            raise ConfigError(f"Found `{unknown[0]}` among `examined`; expected one of {', '.join(self.worlds)}.")
        if self.rebuilt_per_step > self.samples_per_step or bool(self.rebuilt_per_step) != bool(self.tokenizers):
            raise ConfigError(
                f"Found {self.rebuilt_per_step} of {self.samples_per_step} pictures rebuilt by {len(self.tokenizers)} "
                "tokenizers; give both a number of pictures in the step and at least one tokenizer, or neither."
            )
        return self
