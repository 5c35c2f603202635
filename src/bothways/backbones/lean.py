"""The fast way through a llama-type network while generating. The slow, obvious way is transformers' own forward pass.

A step of generation is a few rows wide: it is bound by reading weights and cache from memory, and by the number of
operations. So here the projections that read the same input are one matrix, laid out for few rows (`product`), with the
norm's weight multiplied in; rotary positions are one complex product; residuals are added by the products themselves; keys
and values are written in place into a cache that is read from end to end. `tests/equivalence/test_lean.py` holds it to
transformers' hidden states within 1e-5; docs/results/speed.md says what it saves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from bothways.backbones.backbone import Reads
from bothways.backbones.product import Product

SLOTS = 16  # by which a cache grows
LAYERS = ("LlamaDecoderLayer", "MistralDecoderLayer")  # whose forward pass `LeanCache.run` repeats


def fits(lm: nn.Module) -> bool:
    """Whether a transformers causal LM is of the kind that this file knows: no biases, as many key as query heads, SiLU."""
    layer = lm.model.layers[0]
    if type(layer).__name__ not in LAYERS:
        return False
    attention, mlp, config = layer.self_attn, layer.mlp, lm.config
    read = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj)
    return (
        all(type(linear) is nn.Linear and linear.bias is None for linear in read)  # an adapter is no such layer
        and config.num_key_value_heads == config.num_attention_heads
        and config.hidden_act == "silu"
        and config.rope_parameters["rope_type"] == "default"
    )


@dataclass(frozen=True)
class Layer:
    """The four products of one layer."""

    qkv: Product
    out: Product
    gate_up: Product
    down: Product


class LeanCache:
    """Keys and values of `num_rows` sequences, with a copy of the weights as they were when the cache was made.

    Letters: B rows, Q positions read at once, K positions in the cache, H heads, W width of a head, D = H * W.
    """

    def __init__(self, lm: nn.Module, num_rows: int):
        config = lm.config
        self._heads = config.num_attention_heads
        self._layers = [_layer(layer, self._heads, num_rows) for layer in lm.model.layers]
        # RMS norm: sqrt(D) x / sqrt(|x|^2 + D eps). The factor sqrt(D) is in the weights, as the norm's own weight is.
        self._floor = torch.tensor((config.hidden_size * config.rms_norm_eps) ** 0.5, device=lm.model.norm.weight.device)
        self._last_norm = lm.model.norm.weight * config.hidden_size**0.5
        self._turns = _turns(lm, config.max_position_embeddings)
        self._filled = 0
        # Keys of all heads, then values of all heads. Heads come before rows: so a layer's keys are one batch of matrices.
        # All slots are read at every step, filled or not: a few slots skipped between two matrices cost more than reading
        # them, because the processor then stops reading ahead (1.4 ms a step instead of 0.6 at 52 slots of 56).
        self._kept = self._last_norm.new_zeros((len(self._layers), 2 * self._heads, num_rows, 0, config.head_dim))

    def run(self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        """Hidden states after the last norm; keys and values of the Q positions are appended."""
        shape = x.shape
        self._make_room(self._filled + shape[1])
        turns, mask = self._turns[positions][:, :, None], self._mask(reads, x.dtype)
        x = x.reshape(-1, shape[2])
        for layer, kept in zip(self._layers, self._kept, strict=True):
            q, new = self._split(layer.qkv(self._normed(x)).view(*shape[:2], 3 * self._heads, -1), turns)
            kept[:, :, self._filled : self._filled + shape[1]] = new
            x = layer.out.added(self._attend(q, kept, mask), x)
            gate, up = layer.gate_up(self._normed(x)).chunk(2, -1)
            x = layer.down.added(F.silu(gate).mul_(up), x)
        self._filled += shape[1]
        return (self._normed(x) * self._last_norm).view(shape)

    def batch_select_indices(self, rows: Int[Tensor, "R"]) -> None:
        """Keep these rows only (the name is transformers')."""
        self._kept = self._kept[:, :, rows]

    def crop(self, num: int) -> None:
        """Forget the last `-num` positions, or all but the first `num` (the name and the sign are transformers')."""
        self._filled = num if num >= 0 else self._filled + num

    def _normed(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """The RMS norm without its weights."""
        return x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self._floor)

    def _split(self, qkv: Float[Tensor, "B Q H3 W"], turns: Complex[Tensor, "B Q 1 C"]) -> tuple[Tensor, Tensor]:
        """Queries (H B Q W) and keys with values (2H B Q W); queries and keys are turned by their positions."""
        torch.view_as_complex(qkv[:, :, : 2 * self._heads].unflatten(-1, (-1, 2))).mul_(turns)
        by_head = qkv.permute(2, 0, 1, 3).contiguous()
        return by_head[: self._heads], by_head[self._heads :]

    def _attend(self, q: Float[Tensor, "H B Q W"], kept: Float[Tensor, "H2 B K W"], mask: Float[Tensor, "HB Q K"]) -> Tensor:
        """What the queries read, (B * Q, D)."""
        keys, values = kept[: self._heads].flatten(0, 1), kept[self._heads :].flatten(0, 1)
        scores = torch.baddbmm(mask, q.flatten(0, 1), keys.transpose(1, 2), alpha=q.shape[-1] ** -0.5)
        return torch.bmm(scores.softmax(-1), values).view(q.shape).permute(1, 2, 0, 3).reshape(-1, self._heads * q.shape[-1])

    def _mask(self, reads: Reads, dtype: torch.dtype) -> Float[Tensor, "HB Q K"]:
        mask = reads.additive(dtype)[:, 0]
        mask = F.pad(mask, (0, self._kept.shape[3] - mask.shape[2]), value=torch.finfo(dtype).min)
        return mask.expand(self._heads, *mask.shape).reshape(-1, *mask.shape[1:])

    def _make_room(self, num_slots: int) -> None:
        room = self._kept.shape[3]
        if num_slots > room:
            kept = self._kept.new_empty((*self._kept.shape[:3], -(-num_slots // SLOTS) * SLOTS, self._kept.shape[4]))
            kept[:, :, :, :room] = self._kept
            kept[:, :, :, room:] = 0  # never read with weight, but read: what lies there must be finite
            self._kept = kept


def _layer(layer: nn.Module, heads: int, num_rows: int) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    q, k = paired(attention.q_proj.weight, heads), paired(attention.k_proj.weight, heads)
    scale = attention.q_proj.in_features**0.5
    qkv = torch.cat([q, k, attention.v_proj.weight]) * (layer.input_layernorm.weight * scale)
    gate_up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * (layer.post_attention_layernorm.weight * scale)
    weights = qkv, attention.o_proj.weight, gate_up, mlp.down_proj.weight
    return Layer(*(Product(weight, num_rows) for weight in weights))


def paired(weight: Float[Tensor, "O I"], heads: int) -> Float[Tensor, "O I"]:
    """Transformers turns component i of a head with i + W/2; here the two stand side by side, as a complex number does.
    Queries and keys are reordered alike, so their products stay the same."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def _turns(lm: nn.Module, num_positions: int) -> Complex[Tensor, "P C"]:
    """Rotary turns of every position as complex numbers of length 1, from the network's own table."""
    positions = torch.arange(num_positions, device=lm.model.norm.weight.device)[None]
    cos, sin = lm.model.rotary_emb(lm.model.norm.weight, positions)
    half = cos.shape[-1] // 2
    return torch.complex(cos[0, :, :half], sin[0, :, :half])
