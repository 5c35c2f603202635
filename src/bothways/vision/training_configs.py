"""How visual tokenizers are trained: one config an objective. No torch here."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bothways.core.config import Config, part
from bothways.vision import OBJECTIVES
from bothways.vision.painter_configs import DirectPainterConfig, HidingConfig, MaskedPainterConfig

if TYPE_CHECKING:
    from bothways.vision.objective import AbstractFit, AbstractObjective
    from bothways.vision.tokenizer import AbstractTokenizer


class ObjectiveConfig(Config):
    """Base of the objectives' configs; `kind` is a name from the catalogue."""

    trains: ClassVar[tuple[str, ...]]  # kinds of tokenizer that it can train
    makes: ClassVar[Literal["tokenizer", "painter"]] = "tokenizer"  # what the run folder holds in the end
    by_steps: ClassVar[bool] = True  # whether the trainer makes it step by step; else it looks at all its pictures at once
    needs_texts: ClassVar[bool] = False  # whether it trains on what a world says of its pictures, which files cannot give
    kind: str

    @abstractmethod
    def build(self, tokenizer: AbstractTokenizer) -> AbstractFit:
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


class KLTrainingConfig(ObjectiveConfig):
    """Reconstruction from draws of a posterior that is pulled towards the unit Gaussian."""

    trains: ClassVar[tuple[str, ...]] = ("kl",)
    kind: Literal["autoencode"] = "autoencode"
    kl_weight: float = Field(1e-4, ge=0)  # of the divergence from the unit Gaussian, nats a latent; ours, no paper's
    edge_weight: float = Field(2.0, ge=0)  # extra weight of a pixel at a full-range edge
    square_weight: float = Field(1.0, ge=0)  # weight of the squared error beside the absolute error

    def build(self, tokenizer: AbstractTokenizer) -> AbstractObjective:
        from bothways.vision.kl_training import KLTraining

        return KLTraining(tokenizer, self)


class DistillConfig(ObjectiveConfig):
    """Masked self-distillation. train.weights weighs its terms `masked`, `pixels`, `same` and `spread`."""

    trains: ClassVar[tuple[str, ...]] = ("semantic",)
    kind: Literal["distill"] = "distill"
    mask_share: float = Field(0.6, gt=0, lt=1)  # share of a picture's patches that the student does not see
    top_layers: int = Field(3, gt=0)  # the teacher's last states whose mean is the target (data2vec's K)
    brightness: float = Field(0.1, ge=0, lt=1)  # the student's picture is made brighter or darker by at most this share
    noise: float = Field(0.05, ge=0)  # standard deviation of the noise on the student's pixels, which lie in [-1, 1]
    decay_start: float = Field(0.99, ge=0, lt=1)  # of the exponential mean that is the teacher, at the first step
    decay_end: float = Field(0.999, ge=0, lt=1)  # the same after `decay_steps`
    decay_steps: int = Field(1500, gt=0)  # steps over which the decay grows
    center_decay: float = Field(0.95, ge=0, lt=1)  # of the means by which targets are centred and scaled
    temperature: float = Field(0.1, gt=0)  # of the softmax over pictures in `same`
    dim: int = Field(64, gt=0)  # of the vectors compared in `same`
    seed: int = 0  # names the weights of heads

    def build(self, tokenizer: AbstractTokenizer) -> AbstractObjective:
        from bothways.vision.distill_training import DistillTraining

        return DistillTraining(tokenizer, self)


class PaintConfig(ObjectiveConfig):
    """A painter beside a frozen tokenizer: its shape, what it is told about its mistakes, how far tokens are moved."""

    trains: ClassVar[tuple[str, ...]] = ("semantic", "codes")
    makes: ClassVar[Literal["tokenizer", "painter"]] = "painter"
    kind: Literal["paint"] = "paint"
    painter: DirectPainterConfig = DirectPainterConfig()
    edge_weight: float = Field(2.0, ge=0)  # extra weight of a pixel at a full-range edge
    square_weight: float = Field(1.0, ge=0)  # weight of the squared error beside the absolute error
    token_noise: float = Field(0.3, ge=0)  # most noise on tokens, standard deviations; each picture draws its own up to that

    def build(self, tokenizer: AbstractTokenizer) -> AbstractObjective:
        from bothways.vision.painter_training import PainterTraining

        return PainterTraining(tokenizer, self)


class PaintLatentsConfig(HidingConfig, ObjectiveConfig):
    """A masked painter beside a frozen tokenizer: its shape, how much is hidden from it, how far tokens are moved."""

    trains: ClassVar[tuple[str, ...]] = ("semantic", "codes")
    makes: ClassVar[Literal["tokenizer", "painter"]] = "painter"
    kind: Literal["paint_latents"] = "paint_latents"
    painter: MaskedPainterConfig = MaskedPainterConfig()
    token_noise: float = Field(0.3, ge=0)  # most noise on tokens, standard deviations; each picture draws its own up to that

    def build(self, tokenizer: AbstractTokenizer) -> AbstractObjective:
        from bothways.vision.latent_painter_training import LatentPainterTraining

        return LatentPainterTraining(tokenizer, self)


class ClusterConfig(ObjectiveConfig):
    """K-means over the tokens of the pictures, all at once; `train` is null."""

    trains: ClassVar[tuple[str, ...]] = ("codes",)
    by_steps: ClassVar[bool] = False
    kind: Literal["cluster"] = "cluster"
    num_iterations: int = Field(20, gt=0)  # Lloyd's
    seed: int = 0  # names the draws of the start

    def build(self, tokenizer: AbstractTokenizer) -> AbstractFit:
        from bothways.vision.cluster_training import Clustering

        return Clustering(tokenizer, self)


class CaptionConfig(ObjectiveConfig):
    """SigLIP's sigmoid loss on pictures and their captions."""

    trains: ClassVar[tuple[str, ...]] = ("semantic",)
    needs_texts: ClassVar[bool] = True
    kind: Literal["caption"] = "caption"
    text: str = "asset:text"  # the text tokenizer, as in a model's recipe
    max_tokens: int = Field(192, gt=0)  # longest caption; longer ones are refused
    text_width: int = Field(96, gt=0)  # of the text transformer
    text_layers: int = Field(2, gt=0)  # the same
    text_heads: int = Field(3, gt=0)  # the same
    dim: int = Field(96, gt=0)  # of the vectors in which picture and caption meet
    noise: float = Field(0.05, ge=0)  # standard deviation of the noise on pixels, which lie in [-1, 1]
    seed: int = 0  # names the weights of pools and text transformer

    def build(self, tokenizer: AbstractTokenizer) -> AbstractObjective:
        from bothways.vision.caption_training import CaptionTraining

        return CaptionTraining(tokenizer, self)
