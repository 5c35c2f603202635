"""Any causal LM of transformers from a config, behind the backbone's door.

Layers, norms, rotary positions and attention are transformers' own; the mask is ours, given as 4-D additive floats in the
compute dtype, and the cache is made without a config, because sliding-window cache layers drop keys that the block rule
allows.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bothways.backbones import attention, lean_training
from bothways.backbones.backbone import AbstractBackbone, Reads
from bothways.backbones.configs import CausalLMConfig
from bothways.backbones.lean import LeanCache
from bothways.backbones.lean_weights import LaidOut, fits
from bothways.core.errors import ConfigError, unknown


class CausalLM(AbstractBackbone):
    """A transformers causal LM without its own input pipeline."""

    def __init__(self, config: CausalLMConfig, vocab_size: int):
        super().__init__()
        attention.register()
        self.config = config
        self.lm = _build(config, vocab_size)
        self._has_sdpa = self.lm._supports_sdpa
        if config.attention == "sdpa" and not self._has_sdpa:
            raise ConfigError(f"The family `{config.family}` has no sdpa attention; set model.backbone.attention to auto.")
        self.path = ""
        self._laid_out = LaidOut()

    @property
    def width(self) -> int:
        return self.config.shape.width

    @property
    def blocks(self) -> torch.nn.ModuleList:
        return self.lm.model.layers

    @property
    def text_head(self) -> torch.nn.Module:
        return self.lm.lm_head

    @property
    def attention_width(self) -> int:
        return self.config.shape.num_heads * self.config.shape.head_width

    def embed(self, ids: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape D"]:
        return self.lm.get_input_embeddings()(ids)

    def run(
        self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"], cache: Any = None
    ) -> Float[Tensor, "B Q D"]:
        if isinstance(cache, LeanCache):
            return cache.run(x, reads, positions)
        if cache is None and x.device.type == "cpu" and self._may_be_lean:
            return lean_training.run(self.lm, x, reads, positions, _compute_dtype(x))
        if isinstance(cache, PlainCache):
            with cache.arithmetic(x.device.type):
                return self._through(x, reads, positions, cache.kept).last_hidden_state.float()
        return self._through(x, reads, positions).last_hidden_state.float()

    def layers(self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"]) -> list[Float[Tensor, "B Q D"]]:
        return [states.float() for states in self._through(x, reads, positions, output_hidden_states=True).hidden_states]

    def _through(self, x: Tensor, reads: Reads, positions: Tensor, cache: Any = None, **more: Any) -> Any:
        """What transformers' own forward pass returns."""
        dtype, chosen = _compute_dtype(x), self.config.attention
        self.branch.follow(reads.drawing)
        self._take_path(attention.choose(dtype, x.device.type, self._has_sdpa) if chosen == "auto" else chosen)
        return self.lm.model(
            inputs_embeds=x,
            attention_mask=reads.additive(dtype),
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
            **more,
        )

    @property
    def _may_be_lean(self) -> bool:
        """An attention path that was asked for by name is transformers' own."""
        return self.config.attention == "auto" and fits(self.lm)

    def _take_path(self, path: str) -> None:
        if path != self.path:
            self.lm.set_attn_implementation(path)
            self.path = path

    def text_logits(self, hidden: Float[Tensor, "*shape D"]) -> Float[Tensor, "*shape V"]:
        logits = self.lm.lm_head(hidden)
        cap = getattr(self.lm.config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def new_cache(self, num_rows: int, dtype: torch.dtype = torch.float32) -> Any:
        # With gradients or autocast the cache is transformers' own.
        device = next(self.lm.parameters()).device.type
        plain = not torch.is_grad_enabled() and not torch.is_autocast_enabled(device)
        if plain and self._may_be_lean:
            return LeanCache(self._laid_out.of(self.lm, num_rows, dtype), num_rows)
        return PlainCache(dtype)

    def train(self, mode: bool = True) -> CausalLM:
        if mode:  # a second copy of the weights, of no use until generation begins again
            self._laid_out.forget()
        return super().train(mode)


class PlainCache:
    """Transformers' own cache, `kept`, and the dtype of the products of what is read into it."""

    def __init__(self, dtype: torch.dtype):
        from transformers import DynamicCache

        self.kept, self._dtype = DynamicCache(), dtype
        self.batch_select_indices, self.crop = self.kept.batch_select_indices, self.kept.crop

    def arithmetic(self, device: str) -> AbstractContextManager:
        """Autocast, as in training, where the dtype is not fp32."""
        return nullcontext() if self._dtype == torch.float32 else torch.autocast(device, self._dtype)


def _compute_dtype(x: Tensor) -> torch.dtype:
    device = x.device.type
    if device == "meta":  # autocast knows no such device
        return x.dtype
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def _build(config: CausalLMConfig, vocab_size: int) -> torch.nn.Module:
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    shape = config.shape
    if shape.vocab_size and shape.vocab_size < vocab_size:
        raise ConfigError(
            f"The text tokenizer has {vocab_size} entries and the backbone's text table {shape.vocab_size} rows; set "
            "model.backbone.vocab_size to at least as many."
        )
    if config.family not in CONFIG_MAPPING:
        raise ConfigError(unknown("backbone family", config.family, list(CONFIG_MAPPING)))
    try:
        values = CONFIG_MAPPING[config.family](
            vocab_size=shape.vocab_size or vocab_size,
            hidden_size=shape.width,
            num_hidden_layers=shape.num_layers,
            num_attention_heads=shape.num_heads,
            num_key_value_heads=shape.num_kv_heads,
            head_dim=shape.head_width,
            intermediate_size=shape.mlp_width,
            max_position_embeddings=config.max_positions,
            tie_word_embeddings=config.tied,
            pad_token_id=None,
            bos_token_id=None,
            eos_token_id=None,
        )
        lm = AutoModelForCausalLM.from_config(values)
    except (AttributeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"The family `{config.family}` cannot be a backbone ({reason}); {_TESTED}.") from None
    _check_nothing_is_lost(lm, config.family)
    return lm


_TESTED = "tested families: llama, qwen2, qwen3, mistral, smollm3, gemma2, gemma3_text"
# What a family may do to its logits or in its attention that neither `run` nor `text_logits` would repeat.
_SCALES = ("logit_scale", "logits_scaling", "lm_head_multiplier", "mup_scale", "logits_multiplier")


def _check_nothing_is_lost(lm: torch.nn.Module, family: str) -> None:
    """Raises: ConfigError for a family whose forward pass is more than layers, a final norm and one linear head."""
    scaled = [name for name in _SCALES if getattr(lm.config, name, None) not in (None, 1, 1.0)]
    sinks = [name for name, _ in lm.named_parameters() if name.endswith("sinks")]
    shaped = hasattr(lm, "model") and isinstance(getattr(lm, "lm_head", None), torch.nn.Linear)
    if scaled or sinks or not shaped:
        found = scaled or sinks or ["no `model` with a linear `lm_head`"]
        raise ConfigError(
            f"The family `{family}` cannot be a backbone yet, because part of it would be left out ({found[0]}); {_TESTED}."
        )
