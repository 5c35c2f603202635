"""The weights of a llama-type network, laid out for generation: a few rows, many times.

The projections that read the same input are one matrix, laid out for few rows (`product`), with the norm's weight and the
scale of attention multiplied in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from bothways.backbones.branch import SIDES, is_split, side_of
from bothways.backbones.product import AbstractProduct, Product

LAYERS = ("LlamaDecoderLayer", "MistralDecoderLayer")  # whose forward pass `lean.LeanCache.run` repeats


def fits(lm: nn.Module) -> bool:
    """Whether a transformers causal LM is of the kind that this file knows: no biases, as many key as query heads, SiLU."""
    layers, config = lm.model.layers, lm.config
    if type(layers[0]).__name__ not in LAYERS:
        return False
    read = (linear for layer in layers for side in sides_of(layer) for linear in side.linear)
    return (
        all(type(linear) is nn.Linear and linear.bias is None for linear in read)  # an adapter is no such layer
        and config.num_key_value_heads == config.num_attention_heads
        and config.hidden_act == "silu"
        and config.rope_parameters["rope_type"] == "default"
    )


@dataclass(frozen=True)
class Side:
    """The modules of a layer that a position goes through: all there are, or those of its side of a branch."""

    before: nn.Module
    q: nn.Module
    k: nn.Module
    v: nn.Module
    out: nn.Module
    between: nn.Module
    gate: nn.Module
    up: nn.Module
    down: nn.Module
    scaling: float

    @property
    def linear(self) -> tuple[nn.Module, ...]:
        return self.q, self.k, self.v, self.out, self.gate, self.up, self.down


def sides_of(layer: nn.Module) -> tuple[Side, ...]:
    """The one side of a layer, or of a layer that is split the one that is shared and the one of positions that draw."""
    attention, mlp = layer.self_attn, layer.mlp
    modules = (
        layer.input_layernorm,
        *(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        layer.post_attention_layernorm,
        *(mlp.gate_proj, mlp.up_proj, mlp.down_proj),
    )
    sides = SIDES if is_split(layer) else SIDES[:1]
    return tuple(Side(*(side_of(module, side) for module in modules), scaling=attention.scaling) for side in sides)


@dataclass(frozen=True)
class Layer:
    """The four products of one layer, or of one side of it."""

    qkv: AbstractProduct
    out: AbstractProduct
    gate_up: AbstractProduct
    down: AbstractProduct


@dataclass(frozen=True)
class Weights:
    """A network as `lean.LeanCache` reads it. A layer has one side, or two (`sides_of`).

    RMS norm: sqrt(D) x / sqrt(|x|^2 + D eps). The factor sqrt(D) is in the products and in `last_norm`, as the norms' own
    weights are; `floor` is sqrt(D eps). `turns`: rotary turns of every position, complex numbers of length 1.
    """

    num_heads: int
    head_width: int
    layers: tuple[tuple[Layer, ...], ...]
    floor: Float[Tensor, ""]
    last_norm: Float[Tensor, "D"]
    turns: Complex[Tensor, "P C"]


def lay_out(lm: nn.Module, num_rows: int, dtype: torch.dtype) -> Weights:
    """A copy of the weights as they are now, for products of mostly `num_rows` rows in `dtype`; the rest is fp32."""
    config, norm = lm.config, lm.model.norm.weight
    heads = config.num_attention_heads
    return Weights(
        num_heads=heads,
        head_width=config.head_dim,
        layers=tuple(tuple(_layer(side, heads, num_rows, dtype) for side in sides_of(one)) for one in lm.model.layers),
        floor=torch.tensor((config.hidden_size * config.rms_norm_eps) ** 0.5, device=norm.device),
        last_norm=norm * config.hidden_size**0.5,
        turns=_turns(lm, config.max_position_embeddings),
    )


class LaidOut:
    """The weights that were laid out last, kept while the network's own stay what they are.

    torch counts the changes of a tensor that are made in place (optimizers, `load_state_dict`, `copy_`, `mul_`), but not
    those made behind its back, through `weight.data`: call `forget` after such a one.
    """

    def __init__(self):
        self.forget()

    def forget(self) -> None:
        self._stamp: tuple | None = None
        self._weights: Weights | None = None

    def of(self, lm: nn.Module, num_rows: int, dtype: torch.dtype) -> Weights:
        """`lay_out(lm, num_rows, dtype)`, from before where it is the same."""
        read = (*lm.model.layers.parameters(), lm.model.norm.weight)
        if any(weight.is_inference() for weight in read):  # made in inference mode: their changes are not counted
            return lay_out(lm, num_rows, dtype)
        stamp = num_rows, dtype, *((weight.data_ptr(), weight._version) for weight in read)
        if self._weights is None or stamp != self._stamp:
            self._stamp, self._weights = stamp, lay_out(lm, num_rows, dtype)
        return self._weights

    def __reduce__(self) -> tuple[Any, tuple]:
        """Copies and pickles of a model begin empty: tiles can be neither copied nor pickled."""
        return LaidOut, ()


def _layer(side: Side, heads: int, num_rows: int, dtype: torch.dtype) -> Layer:
    q, k = paired(side.q.weight, heads), paired(side.k.weight, heads)
    scale = side.q.in_features**0.5
    qkv = torch.cat([q * side.scaling, k, side.v.weight]) * (side.before.weight * scale)
    gate_up = torch.cat([side.gate.weight, side.up.weight]) * (side.between.weight * scale)
    weights = qkv, side.out.weight, gate_up, side.down.weight
    return Layer(*(Product(weight.to(dtype), num_rows) for weight in weights))


def paired(weight: Float[Tensor, "O I"], heads: int) -> Float[Tensor, "O I"]:
    """Transformers turns component i of a head with i + W/2; here the two stand side by side, as a complex number does.
    Queries and keys are reordered alike, so their products stay the same."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def _turns(lm: nn.Module, num_positions: int) -> Complex[Tensor, "P C"]:
    """Rotary turns of every position, from the network's own table."""
    positions = torch.arange(num_positions, device=lm.model.norm.weight.device)[None]
    cos, sin = lm.model.rotary_emb(lm.model.norm.weight, positions)
    half = cos.shape[-1] // 2
    return torch.complex(cos[0, :, :half], sin[0, :, :half])
