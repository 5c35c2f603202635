"""How visual tokenizers are trained: one config an objective. No torch here."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bothways.core.config import Config, part
from bothways.vision import OBJECTIVES
from bothways.vision.configs import PainterConfig

if TYPE_CHECKING:
    from bothways.vision.objective import AbstractObjective
    from bothways.vision.tokenizer import AbstractTokenizer


class ObjectiveConfig(Config):
    """Base of the objectives' configs; `kind` is a name from the catalogue."""

    trains: ClassVar[tuple[str, ...]]  # kinds of tokenizer that it can train
    makes: ClassVar[Literal["tokenizer", "painter"]] = "tokenizer"  # what the run folder holds in the end
    kind: str

    @abstractmethod
    def build(self, tokenizer: AbstractTokenizer) -> AbstractObjective:
        """The tokenizer with what its training needs. Raises: ConfigError when they do not fit."""


AnyObjectiveConfig = part(ObjectiveConfig, OBJECTIVES)


class VQTrainingConfig(ObjectiveConfig):
    """Reconstruction through a codebook: weights and rates of the quantiser's training."""

    trains: ClassVar[tuple[str, ...]] = ("vq",)
    kind: Literal["quantise"] = "quantise"
    plain_steps: int = 150  # steps without quantising at the start
    commitment: float = 0.25  # weight of the distance from latent to its code
    edge_weight: float = 2.0  # extra weight of a pixel at a full-range edge
    square_weight: float = 1.0  # weight of the squared error beside the absolute error
    codebook_decay: float = 0.98  # of the exponential mean that moves a code
    restart_below: float = 0.05  # a code used less than this times the even share is restarted
    restart_every_steps: int = 10  # how often unused codes are looked for
    seed: int = 0  # names the draws of restarts

    def build(self, tokenizer: AbstractTokenizer) -> AbstractObjective:
        from bothways.vision.vq_training import VQTraining

        return VQTraining(tokenizer, self)


class PaintConfig(ObjectiveConfig):
    """A painter beside a frozen tokenizer: its shape, what it is told about its mistakes, how far tokens are moved."""

    trains: ClassVar[tuple[str, ...]] = ("semantic",)
    makes: ClassVar[Literal["tokenizer", "painter"]] = "painter"
    kind: Literal["paint"] = "paint"
    painter: PainterConfig = PainterConfig()
    edge_weight: float = Field(2.0, ge=0)  # extra weight of a pixel at a full-range edge
    square_weight: float = Field(1.0, ge=0)  # weight of the squared error beside the absolute error
    token_noise: float = Field(0.3, ge=0)  # most noise on tokens, standard deviations; each picture draws its own up to that

    def build(self, tokenizer: AbstractTokenizer) -> AbstractObjective:
        from bothways.vision.painter_training import PainterTraining

        return PainterTraining(tokenizer, self)
