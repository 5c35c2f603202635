"""What a unified model is made of. No torch here: recipes are read, compared and refused without it."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from bothways.backbones.configs import AnyBackboneConfig, CausalLMConfig
from bothways.core.config import Config
from bothways.core.errors import ConfigError
from bothways.heads.configs import AnyHeadConfig, CategoricalConfig
from bothways.layout.order import Drawing, Orders
from bothways.vision.configs import AnyTokenizerConfig, VQConfig


class ProjectorConfig(Config):
    """From visual vectors to the backbone's width."""

    kind: Literal["linear", "mlp"] = "mlp"  # P1 uses a linear layer for vq and Linear-GELU-Linear for semantic tokens
    depth: int = Field(2, ge=2)  # linear layers of an mlp, a GELU between any two
    width: int | None = Field(None, gt=0)  # channels between the layers of an mlp; null: as wide as the backbone
    shared: bool = True  # one projector (and one table of places) for given and learned pictures; needs equal tokens


class ModelConfig(Config):
    """One corner of the space of unified models."""

    text: str = "asset:text"  # text tokenizer: `asset:NAME` (shipped), a tokenizers JSON file, or a transformers name
    given: AnyTokenizerConfig = VQConfig(weights="asset:vq")  # tokens that pictures are read as
    learned: AnyTokenizerConfig = VQConfig(weights="asset:vq")  # tokens that pictures are drawn as
    projector: ProjectorConfig = ProjectorConfig()
    backbone: AnyBackboneConfig = CausalLMConfig()
    head: AnyHeadConfig = CategoricalConfig()
    order: Orders = "raster"  # in which a learned picture's tokens are predicted: raster (in place too), random, or mixed
    raster_share: float = Field(0.5, ge=0, le=1)  # share of the samples in raster order where it is mixed
    feedback_noise: float = Field(0.0, ge=0)  # std of the noise on learned continuous tokens that re-enter, in training alone
    aligned_source: bool = False  # a picture to be edited is seen at every place that is predicted, beside being read before
    causal_given: bool = False  # given pictures read causally (LLaVA parity) instead of as one bidirectional block
    learn_marks: bool = False  # the model decides by itself when to draw and when its turn ends (P1); needed by `chat`
    frozen: tuple[str, ...] = ()  # parts that are not trained, e.g. [backbone, "backbone.layers.0-1"]; see model/freeze.py
    max_tokens: int = Field(512, gt=0)  # longest sequence; longer samples are refused
    seed: int = 0  # names the initial weights

    @model_validator(mode="after")
    def _can_be_laid_out(self) -> ModelConfig:
        _ = self.drawing  # refuses an order of a head that predicts in place
        return self

    @cached_property
    def same_tokens(self) -> bool:
        """Pictures that are read and pictures that are drawn are the same tokens, so a second view of one would say nothing."""
        return self.given.encodes_as == self.learned.encodes_as

    def check_decides_to_draw(self) -> None:
        """Raises: ConfigError when the model is not one that decides by itself when to draw and when its turn ends."""
        if not self.learn_marks:
            raise ConfigError(
                "The model was not taught to decide by itself when to draw, so its turn cannot be left open; train one with "
                "--set model.learn_marks=true."
            )

    @cached_property
    def drawing(self) -> Drawing:
        """How learned images are laid out in training. Raises: ConfigError for an order that the head does not have."""
        return self.head.laid_out(Drawing(order=self.order, raster_share=self.raster_share, learn_marks=self.learn_marks))

    def drawn_in(self, order: str | None) -> Drawing:
        """How they are laid out while they are drawn: in that order, or in that of training (random where it was mixed)."""
        return self.drawing.with_changes({"order": order or ("random" if self.order == "mixed" else self.order)})
