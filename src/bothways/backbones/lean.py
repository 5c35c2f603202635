"""The fast way through a llama-type network while generating. The slow, obvious way is transformers' own forward pass.

A step of generation is a few rows wide, so most of transformers' time goes into Python and into many small operations.
Here a layer is eleven operations: keys and values are written in place into a cache of fixed size, the projections that read
the same input are one matrix, rotary positions are one complex product, and residuals are added by the products themselves.
`tests/equivalence/test_lean.py` holds it to transformers' hidden states within 1e-5; docs/results/speed.md says what it saves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from bothways.backbones.backbone import Reads

LAYERS = ("LlamaDecoderLayer", "MistralDecoderLayer")  # whose forward pass `LeanCache.run` repeats


def fits(lm: nn.Module) -> bool:
    """Whether a transformers causal LM is of the kind that this file knows: no biases, as many key as query heads, SiLU."""
    layer = lm.model.layers[0]
    if type(layer).__name__ not in LAYERS:
        return False
    linear = [module for module in layer.modules() if isinstance(module, nn.Linear)]
    config = lm.config
    return (
        all(module.bias is None for module in linear)
        and config.num_key_value_heads == config.num_attention_heads
        and config.hidden_act == "silu"
        and config.rope_parameters["rope_type"] == "default"
    )


@dataclass(frozen=True)
class Layer:
    """Weights of one layer, matrices as (in, out)."""

    attention_norm: Tensor
    qkv: Tensor
    out: Tensor
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor


class LeanCache:
    """Keys and values of `num_rows` sequences, with a copy of the weights as they were when the cache was made."""

    def __init__(self, lm: nn.Module, num_rows: int, num_slots: int):
        config = lm.config
        self._heads, self._head_width = config.num_attention_heads, config.head_dim
        self._eps, self._norm = config.rms_norm_eps, lm.model.norm.weight
        self._layers = [_layer(layer, self._heads) for layer in lm.model.layers]
        self._turns = _turns(lm, config.max_position_embeddings)
        self._filled = 0
        shape = (2, len(self._layers), num_rows * self._heads, num_slots, self._head_width)
        self._kept = self._norm.new_empty(shape)  # keys, then values

    def run(self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        """Hidden states after the last norm; keys and values of the Q positions are appended."""
        rows, length, width = x.shape
        start, end = self._filled, self._filled + length
        self._make_room(end)
        mask = reads.additive(x.dtype).expand(-1, self._heads, -1, -1).reshape(rows * self._heads, length, end)
        turns = self._turns[positions][:, :, None]
        x = x.reshape(rows * length, width)
        for layer, keys, values in zip(self._layers, *self._kept, strict=True):
            read = F.rms_norm(x, (width,), layer.attention_norm, self._eps) @ layer.qkv
            q, k, v = self._turned(read.view(rows, length, 3 * self._heads, self._head_width), turns)
            keys[:, start:end], values[:, start:end] = k, v
            scores = torch.baddbmm(mask, q, keys[:, :end].transpose(1, 2), alpha=self._head_width**-0.5)
            found = torch.bmm(scores.softmax(-1), values[:, :end])
            found = found.view(rows, self._heads, length, self._head_width).transpose(1, 2).reshape(rows * length, width)
            x = torch.addmm(x, found, layer.out)
            gate, up = (F.rms_norm(x, (width,), layer.mlp_norm, self._eps) @ layer.gate_up).chunk(2, -1)
            x = torch.addmm(x, F.silu(gate).mul_(up), layer.down)
        self._filled = end
        return F.rms_norm(x, (width,), self._norm, self._eps).view(rows, length, width)

    def batch_select_indices(self, rows: Int[Tensor, "R"]) -> None:
        """Keep these rows only (the name is transformers')."""
        kept = self._kept.unflatten(2, (-1, self._heads))
        self._kept = kept[:, :, rows].flatten(2, 3)

    def _turned(self, read: Float[Tensor, "B Q H3 W"], turns: Complex[Tensor, "B Q 1 C"]) -> list[Tensor]:
        """Queries, keys (both turned by their positions) and values, each (B * heads, Q, W)."""
        pairs = torch.view_as_complex(read[:, :, : 2 * self._heads].unflatten(-1, (-1, 2)))
        turned = torch.view_as_real(pairs * turns).flatten(-2)
        split = (turned[:, :, : self._heads], turned[:, :, self._heads :], read[:, :, 2 * self._heads :])
        return [part.transpose(1, 2).flatten(0, 1) for part in split]

    def _make_room(self, num_slots: int) -> None:
        """Rows in different phases leave gaps, so more slots may be needed than the longest row has tokens."""
        room = self._kept.shape[3]
        if num_slots > room:
            more = self._kept.new_empty((*self._kept.shape[:3], max(room, num_slots - room), self._head_width))
            self._kept = torch.cat([self._kept, more], 3)


def _layer(layer: nn.Module, heads: int) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    q, k = _paired(attention.q_proj.weight, heads), _paired(attention.k_proj.weight, heads)
    return Layer(
        attention_norm=layer.input_layernorm.weight,
        qkv=torch.cat([q, k, attention.v_proj.weight]).T.contiguous(),
        out=attention.o_proj.weight.T.contiguous(),
        mlp_norm=layer.post_attention_layernorm.weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]).T.contiguous(),
        down=mlp.down_proj.weight.T.contiguous(),
    )


def _paired(weight: Float[Tensor, "O I"], heads: int) -> Float[Tensor, "O I"]:
    """Transformers turns component i of a head with i + W/2; here the two stand side by side, as a complex number does.
    Queries and keys are reordered alike, so their products stay the same."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def _turns(lm: nn.Module, num_positions: int) -> Complex[Tensor, "P C"]:
    """Rotary turns of every position as complex numbers of length 1, from the network's own table."""
    positions = torch.arange(num_positions, device=lm.model.norm.weight.device)[None]
    cos, sin = lm.model.rotary_emb(lm.model.norm.weight, positions)
    half = cos.shape[-1] // 2
    return torch.complex(cos[0, :, :half], sin[0, :, :half])
