"""Configs of the backbones. No torch here: recipes are read, compared and refused without it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from bothways.backbones import BACKBONES
from bothways.core.config import Config, part
from bothways.core.errors import ConfigError, unknown

if TYPE_CHECKING:
    from bothways.backbones.backbone import AbstractBackbone
    from bothways.backbones.lora import Adapter

# One dial: name -> (width, layers, heads). The rest follows from these.
SIZES = {
    "tiny": (32, 2, 2),
    "nano": (128, 4, 4),
    "micro": (256, 6, 8),
    "small": (512, 8, 8),
    "base": (768, 12, 12),
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

    @abstractmethod
    def build(self, vocab_size: int) -> AbstractBackbone:
        """The backbone for a text vocabulary of `vocab_size`, without adapters. Raises: ConfigError."""

    def adapt(self, backbone: AbstractBackbone, seed: int) -> Adapter | None:
        """Puts the adapters of `lora` on a backbone that has its weights. Raises: ConfigError when no layer fits."""
        if self.lora is None:
            return None
        from bothways.backbones.lora import Adapter

        return Adapter(backbone, self.lora, seed)


AnyBackboneConfig = part(BackboneConfig, BACKBONES)


class CausalLMConfig(BackboneConfig):
    """A language model from scratch. `width`, `num_layers`, `num_heads` override the size dial where given."""

    kind: Literal["transformers"] = "transformers"
    family: str = "llama"  # model_type of a transformers causal LM: llama, qwen2, qwen3, mistral, smollm3, ...
    size: str = "nano"  # tiny (tests), nano (about 1M parameters), micro, small, base
    width: int | None = Field(None, gt=0)  # overrides the dial
    num_layers: int | None = Field(None, gt=0)  # overrides the dial
    num_heads: int | None = Field(None, gt=0)  # overrides the dial
    max_positions: int = Field(1024, gt=0)  # longest sequence, tokens
    attention: Literal["auto", "matmul", "sdpa", "eager"] = "auto"  # auto: the fastest measured for dtype and device

    @model_validator(mode="after")
    def _heads_fit_the_width(self) -> CausalLMConfig:
        width, _, heads = self.shape
        if width % heads or width // heads % 2:
            raise ConfigError(
                f"The backbone is {width} wide with {heads} heads, and rotary positions need heads of an even width; "
                "make width a multiple of twice num_heads."
            )
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """(width, layers, heads)."""
        if self.size not in SIZES:
            raise ConfigError(unknown("backbone size", self.size, SIZES))
        width, layers, heads = SIZES[self.size]
        return self.width or width, self.num_layers or layers, self.num_heads or heads

    @property
    def mlp_width(self) -> int:
        """8/3 of the width (three matrices then cost what two of 4x would), rounded up to a multiple of 8."""
        return -(-self.shape[0] * 8 // 3 // 8) * 8

    def build(self, vocab_size: int) -> AbstractBackbone:
        from bothways.backbones.causal_lm import CausalLM

        return CausalLM(self, vocab_size)
