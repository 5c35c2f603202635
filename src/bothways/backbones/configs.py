"""Configs of the backbones. No torch here: recipes are read, compared and refused without it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from bothways.backbones import BACKBONES
from bothways.core.config import Config, part
from bothways.core.errors import ConfigError, unknown

if TYPE_CHECKING:
    from bothways.backbones.backbone import AbstractBackbone
    from bothways.backbones.lora import Adapter


@dataclass(frozen=True)
class Shape:
    """The numbers of a decoder. Where `num_kv_heads`, `head_width` or `mlp_width` are None they follow from the others;
    `vocab_size` None: what the text tokenizer needs."""

    width: int
    num_layers: int
    num_heads: int
    num_kv_heads: int | None = None
    head_width: int | None = None
    mlp_width: int | None = None
    vocab_size: int | None = None


# One dial. The first six are the house's; the others are published models, as their config.json has them.
SIZES = {
    "tiny": Shape(32, 2, 2),
    "pico": Shape(96, 3, 3),
    "nano": Shape(128, 4, 4),
    "micro": Shape(256, 6, 8),
    "small": Shape(512, 8, 8),
    "base": Shape(768, 12, 12),
    "gemma-2-2b": Shape(2304, 26, 8, num_kv_heads=4, head_width=256, mlp_width=9216, vocab_size=256_000),
    "llama-2-7b": Shape(4096, 32, 32, num_kv_heads=32, head_width=128, mlp_width=11008, vocab_size=32_000),
}


class LoraConfig(Config):
    """Low-rank adapters: the backbone's own weights stay, and a product of two narrow matrices beside each is trained.

    Source: Hu et al. 2021 (arXiv:2106.09685); the defaults are P1's.
    """

    rank: int = Field(128, gt=0)  # width of the narrow side
    alpha: float = Field(256.0, gt=0)  # the product counts alpha / rank
    dropout: float = Field(0.05, ge=0, lt=1)  # of what goes into the product, drawn by (train.seed, step)
    targets: tuple[str, ...] = ("linear",)  # ends of layer names, e.g. q_proj; linear: every linear layer but lm_head


class BackboneConfig(Config):
    """Base of the configs of backbones; `kind` is a name from the catalogue."""

    kind: str
    lora: LoraConfig | None = None  # null: the backbone's own weights are trained, unless model.frozen names them
    drawing_layers: int = Field(0, ge=0)  # top layers of which positions that draw have their own copies; see branch.py

    @abstractmethod
    def build(self, vocab_size: int) -> AbstractBackbone:
        """The backbone for a text vocabulary of `vocab_size`, without adapters. Raises: ConfigError."""

    def split(self, backbone: AbstractBackbone) -> None:
        """Gives positions that draw their copies of the top layers of a backbone that has its weights. Raises: ConfigError when
        there can be none."""
        if self.drawing_layers:
            from bothways.backbones.branch import split

            split(backbone.blocks[-self.drawing_layers :], backbone.branch)

    def adapt(self, backbone: AbstractBackbone, seed: int) -> Adapter | None:
        """Puts the adapters of `lora` on a backbone that has its weights. Raises: ConfigError when no layer fits."""
        if self.lora is None:
            return None
        from bothways.backbones.lora import Adapter

        return Adapter(backbone, self.lora, seed)

    def stacked(self) -> BackboneConfig | None:
        """The same backbone on a path that torch's vmap goes through, for models that are trained as one; None: it has none."""
        return None


_HEADS_FIRST = ("gemma3_text",)  # norms of queries and keys come after heads and positions have changed places
AnyBackboneConfig = part(BackboneConfig, BACKBONES)


class CausalLMConfig(BackboneConfig):
    """A language model from scratch. `width`, `num_layers`, `num_heads` override the size dial where given."""

    kind: Literal["transformers"] = "transformers"
    family: str = "llama"  # model_type of a transformers causal LM: llama, qwen2, qwen3, mistral, smollm3, ...
    size: str = "nano"  # tiny (tests), pico, nano (about 1M parameters), micro, small, base, gemma-2-2b, llama-2-7b
    width: int | None = Field(None, gt=0)  # overrides the dial
    num_layers: int | None = Field(None, gt=0)  # overrides the dial
    num_heads: int | None = Field(None, gt=0)  # overrides the dial
    num_kv_heads: int | None = Field(None, gt=0)  # overrides the dial; heads of keys and values, a divisor of num_heads
    vocab_size: int | None = Field(None, gt=0)  # rows of the text table; null: the dial's, or what the text tokenizer needs
    tied: bool = False  # one table for text in and out
    max_positions: int = Field(1024, gt=0)  # longest sequence, tokens
    attention: Literal["auto", "matmul", "sdpa", "eager"] = "auto"  # auto: the fastest measured for dtype and device

    @model_validator(mode="after")
    def _heads_fit_the_width(self) -> CausalLMConfig:
        shape = self.shape
        if shape.head_width is None or shape.head_width % 2:
            raise ConfigError(
                f"The backbone is {shape.width} wide with {shape.num_heads} heads, and rotary positions need heads of an even "
                "width; make width a multiple of twice num_heads."
            )
        if shape.num_heads % shape.num_kv_heads:
            raise ConfigError(
                f"Found {shape.num_kv_heads} heads of keys and values for {shape.num_heads} heads; make num_kv_heads a divisor "
                "of num_heads."
            )
        return self

    @model_validator(mode="after")
    def _branch_fits(self) -> CausalLMConfig:
        num_layers = self.shape.num_layers
        if self.drawing_layers > num_layers:
            raise ConfigError(
                f"Found drawing_layers {self.drawing_layers} and a backbone of {num_layers} layers; set "
                f"model.backbone.drawing_layers to at most {num_layers}."
            )
        if self.drawing_layers and self.family in _HEADS_FIRST:
            raise ConfigError(
                f"The family `{self.family}` norms queries and keys head by head, so positions that draw cannot have norms of "
                "their own; set model.backbone.drawing_layers to 0, or choose another family."
            )
        return self

    @property
    def shape(self) -> Shape:
        """All numbers but `vocab_size` filled in; `head_width` is None where `num_heads` does not divide the width. The MLP is
        8/3 as wide as the model (three matrices then cost what two of 4x would), rounded up to a multiple of 8."""
        if self.size not in SIZES:
            raise ConfigError(unknown("backbone size", self.size, SIZES))
        dial = SIZES[self.size]
        width, heads = self.width or dial.width, self.num_heads or dial.num_heads
        own = (width, heads) == (dial.width, dial.num_heads)  # else what the dial says of heads and MLP fits no longer
        return Shape(
            width=width,
            num_layers=self.num_layers or dial.num_layers,
            num_heads=heads,
            num_kv_heads=self.num_kv_heads or (dial.num_kv_heads if own else None) or heads,
            head_width=(dial.head_width if own else None) or (None if width % heads else width // heads),
            mlp_width=(dial.mlp_width if own else None) or -(-width * 8 // 3 // 8) * 8,
            vocab_size=self.vocab_size or dial.vocab_size,
        )

    def stacked(self) -> BackboneConfig | None:
        """By matmul: sdpa has no vmap on a CPU. Adapters have a dropout whose draws would be those of no seed alone."""
        return None if self.lora else self.with_changes({"attention": "matmul"})

    def build(self, vocab_size: int) -> AbstractBackbone:
        from bothways.backbones.causal_lm import CausalLM

        return CausalLM(self, vocab_size)
