"""What a unified model is made of. No torch here: recipes are read, compared and refused without it."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bothways.backbones.configs import AnyBackboneConfig, CausalLMConfig
from bothways.core.config import Config
from bothways.core.errors import ConfigError
from bothways.core.ramp import RampConfig
from bothways.core.spec import Discrete
from bothways.heads.configs import AnyHeadConfig, CategoricalConfig
from bothways.layout.order import Drawing, Orders
from bothways.vision.configs import AnyTokenizerConfig, TokenizerConfig, VQConfig
from bothways.vision.painter_configs import HidingConfig, MaskedPainterConfig

Gate = Annotated[float, Field(ge=0, le=1)] | RampConfig  # share of a loss that passes


class ProjectorConfig(Config):
    """From visual vectors to the backbone's width."""

    kind: Literal["linear", "mlp"] = "mlp"  # P1 uses a linear layer for vq and Linear-GELU-Linear for semantic tokens
    depth: int = Field(2, ge=2)  # linear layers of an mlp, a GELU between any two
    width: int | None = Field(None, gt=0)  # channels between the layers of an mlp; null: as wide as the backbone
    shared: bool = True  # one projector (and one table of places) for given and learned pictures; needs equal tokens


class EmbeddingConfig(Config):
    """Learned tokens are predicted in the backbone's input-embedding space: as what the given side's projector makes of them,
    before places are added. Source and deviations: model/target.py."""

    side: Literal["stop_gradient", "ema", "frozen", "live"] = "stop_gradient"  # of the target; frozen: for inputs too
    ema_decay: float = Field(0.999, gt=0, lt=1)  # of side ema: share of the old copy that stays at a step, at most (GAS)
    feedback: Literal["direct", "projector"] = "direct"  # predictions re-enter as they are, or read out and through a projector
    centred: bool = True  # targets lose their running mean, which all embeddings share (GAS keeps it)
    read_out_features: int = Field(256, ge=0)  # random features beside the embedding itself, from which tokens are read out
    memory: float = Field(0.98, gt=0, lt=1)  # share of the embeddings' statistics that stays at a step (the projector moves)
    watch_every_steps: int = Field(20, gt=0)  # steps between two looks at whether the embeddings collapse


class JointPainterConfig(HidingConfig):
    """A painter that learns in the same run to make pixels of what the head predicts; see model/painter.py."""

    masked: MaskedPainterConfig = MaskedPainterConfig()  # the painter itself, the latents that it draws, and how it paints
    gate: Gate = 0.0  # share of its loss that reaches the head, and through it the backbone; closed: pixels outside


class ModelConfig(Config):
    """One corner of the space of unified models."""

    text: str = "asset:text"  # text tokenizer: `asset:NAME` (shipped), a tokenizers JSON file, or a transformers name
    given: AnyTokenizerConfig = VQConfig(weights="asset:vq")  # tokens that pictures are read as
    learned: AnyTokenizerConfig = VQConfig(weights="asset:vq")  # tokens that pictures are drawn as
    projector: ProjectorConfig = ProjectorConfig()
    backbone: AnyBackboneConfig = CausalLMConfig()
    head: AnyHeadConfig = CategoricalConfig()
    target: EmbeddingConfig | None = None  # what the head predicts; null: tokens as they are
    gate: Gate = 1.0  # share of the image losses that reaches the backbone
    painter: JointPainterConfig | None = None  # trained beside the backbone, paints in place of the learned tokenizer's own
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
    def _parts_fit(self) -> ModelConfig:
        _ = self.drawing  # refuses an order of a head that predicts in place
        if self.head.inside_backbone and self.gate != 1.0:
            raise ConfigError(
                f"The head `{self.head.kind}` works inside the backbone, so there is nothing to gate between them; leave "
                "model.gate at 1."
            )
        if self.gate_is_closed and self.backbone.drawing_layers:
            raise ConfigError(
                "The gate is closed, so no image loss would reach the layers that positions that draw have copies of; open "
                "model.gate, or set model.backbone.drawing_layers to 0."
            )
        _check_gate("model.gate", self.gate)
        if self.target:
            self._check_embedding(self.target)
        if self.painter:
            _check_gate("model.painter.gate", self.painter.gate)
            self._check_painter()
        return self

    def _check_embedding(self, target: EmbeddingConfig) -> None:
        if self.head.accepts is Discrete or self.head.inside_backbone:
            raise ConfigError(
                f"Targets in the embedding space are vectors, and the head `{self.head.kind}` does not predict those; use "
                "the head `regression` or `diffusion`, or leave model.target out."
            )
        if not self.same_tokens:
            raise ConfigError(
                "Targets in the embedding space are what the given side's projector makes of learned tokens, and found given "
                f"`{self.given.kind}` and learned `{self.learned.kind}`; give both the same tokens, or leave model.target out."
            )
        if target.feedback == "direct" and not self.projector.shared:
            raise ConfigError(
                "Direct feedback enters predictions as outputs of the given side's projector, and model.projector.shared is "
                "false, so true tokens would enter through another; set it to true, or model.target.feedback to projector."
            )

    def _check_painter(self) -> None:
        if self.learned.encodes_as.spec.can_draw:
            raise ConfigError(
                f"model.painter makes pixels of tokens that have none of their own, and `{self.learned.kind}` tokens have; "
                "leave it out, or learn `semantic` tokens."
            )
        if not self.head.predicts_one:
            raise ConfigError(
                f"model.painter learns from what the head predicts, and the head `{self.head.kind}` draws its tokens from a "
                "distribution; use the head `regression`, or train a painter afterwards (`bothways train-tokenizer "
                "semantic-masked-painter`) and name it in model.learned.painter."
            )

    @property
    def gate_is_closed(self) -> bool:
        """No image loss reaches the backbone, at any step."""
        return is_closed(self.gate)

    @property
    def tokenizers(self) -> dict[str, TokenizerConfig]:
        """All frozen tokenizers by name; `latents` are what the painter draws."""
        latents = {"latents": self.painter.masked.latents} if self.painter else {}
        return {"given": self.given, "learned": self.learned} | latents

    @cached_property
    def same_tokens(self) -> bool:
        """Pictures that are read and pictures that are drawn are the same tokens, so a second view of one would say nothing."""
        return self.given.encodes_as == self.learned.encodes_as

    @property
    def unstackable(self) -> str | None:
        """The part because of which models that differ in their seeds cannot be trained as one, see model/stack.py; None: they
        can."""
        if not self.head.stacks:
            return f"the head `{self.head.kind}`, which draws noise for every sample or keeps statistics of its targets"
        if self.backbone.stacked() is None:
            return "LoRA" if self.backbone.lora else f"the backbone `{self.backbone.kind}`"
        if self.backbone.drawing_layers:
            return "the layers that positions that draw have copies of"
        if self.painter:
            return "the painter, which draws noise for every picture"
        return None

    def check_decides_to_draw(self) -> None:
        """Raises: ConfigError when the model is not one that decides by itself when to draw and when its turn ends."""
        if not self.learn_marks:
            raise ConfigError(
                "The model was not taught to decide by itself when to draw, so its turn cannot be left open; train one with "
                "--set model.learn_marks=true."
            )

    def check_can_draw(self) -> None:
        """Raises: ConfigError when learned tokens have no way to pixels."""
        if not self.learned.spec.can_draw and self.painter is None:
            raise ConfigError(
                f"`{self.learned.kind}` tokens cannot be drawn without a painter; set model.learned.painter, or choose another "
                "`learned` tokenizer."
            )

    @cached_property
    def drawing(self) -> Drawing:
        """How learned images are laid out in training. Raises: ConfigError for an order that the head does not have."""
        return self.head.laid_out(Drawing(order=self.order, raster_share=self.raster_share, learn_marks=self.learn_marks))

    def drawn_in(self, order: str | None) -> Drawing:
        """How they are laid out while they are drawn: in that order, or in that of training (random where it was mixed)."""
        return self.drawing.with_changes({"order": order or ("random" if self.order == "mixed" else self.order)})


def is_closed(gate: float | RampConfig) -> bool:
    """Nothing passes, at any step."""
    return gate == 0 or (isinstance(gate, RampConfig) and gate.first == gate.last == 0)


def _check_gate(key: str, gate: float | RampConfig) -> None:
    if isinstance(gate, RampConfig) and max(gate.first, gate.last) > 1:
        raise ConfigError(f"Found {key} from {gate.first:g} to {gate.last:g}; a gate is between 0 and 1.")
