"""Any causal LM of transformers from a config, behind the backbone's door.

Layers, norms, rotary positions and attention are transformers' own; the mask is ours, given as 4-D additive floats in the
compute dtype, and the cache is made without a config, because sliding-window cache layers drop keys that the block rule
allows.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bothways.backbones import attention
from bothways.backbones.backbone import AbstractBackbone, Reads
from bothways.backbones.configs import CausalLMConfig
from bothways.core.errors import ConfigError, unknown


class CausalLM(AbstractBackbone):
    """A transformers causal LM without its own input pipeline."""

    def __init__(self, config: CausalLMConfig, vocab_size: int):
        super().__init__()
        attention.register()
        self.config = config
        self.lm = _build(config, vocab_size)
        self.path = ""

    @property
    def width(self) -> int:
        return self.config.shape[0]

    def embed(self, ids: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape D"]:
        return self.lm.get_input_embeddings()(ids)

    def run(
        self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"], cache: Any = None
    ) -> Float[Tensor, "B Q D"]:
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        self._take_path(attention.choose(dtype, device) if self.config.attention == "auto" else self.config.attention)
        out = self.lm.model(
            inputs_embeds=x,
            attention_mask=reads.additive(dtype),
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return out.last_hidden_state.float()

    def _take_path(self, path: str) -> None:
        if path != self.path:
            self.lm.set_attn_implementation(path)
            self.path = path

    def text_logits(self, hidden: Float[Tensor, "*shape D"]) -> Float[Tensor, "*shape V"]:
        return self.lm.lm_head(hidden)

    def new_cache(self, num_rows: int, num_slots: int) -> Any:
        from transformers import DynamicCache

        return DynamicCache()


def _build(config: CausalLMConfig, vocab_size: int) -> torch.nn.Module:
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    width, layers, heads = config.shape
    if config.family not in CONFIG_MAPPING:
        raise ConfigError(unknown("backbone family", config.family, list(CONFIG_MAPPING)))
    values = CONFIG_MAPPING[config.family](
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=width // heads,
        intermediate_size=config.mlp_width,
        max_position_embeddings=config.max_positions,
        tie_word_embeddings=False,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
    )
    return AutoModelForCausalLM.from_config(values)
