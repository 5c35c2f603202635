"""The fast way through a llama-type network while training on a CPU. The slow, obvious way is transformers' own forward pass.

A nano model spends more time in small operations (norms, rotary positions, gates, casts) than in matrix products, and a
fifth of both on padding. So here: products and elementwise work run on the positions that are no padding; the projections
that read the same input are one matrix, with the norm's weight multiplied in; a norm, the gates and attention are one
autograd function each, written in the compute dtype; and attention runs on lengths that fill the processor's vectors
(a bf16 softmax over 126 positions takes twice as long as one over 128). `tests/equivalence/test_lean_training.py` holds
hidden states and gradients to transformers'; docs/results/speed.md says what it saves.

Letters: T positions that are no padding, N rows times heads, P padded length, H heads, W width of a head, D = H * W, M width
of the gates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn
from torch.autograd import Function

from bothways.backbones.backbone import Reads
from bothways.backbones.lean_weights import Side, paired, sides_of

ROWS = 16  # a group's scores fill about two megabytes
LENGTHS = 32  # attention runs on a multiple of this many positions: 32 bf16 numbers fill a vector of 512 bits


def run(lm: nn.Module, x: Float[Tensor, "B S D"], reads: Reads, positions: Int[Tensor, "B S"], dtype: torch.dtype) -> Tensor:
    """Hidden states (B, S, D) after the last norm in fp32; products run in `dtype`. Zeros at padding."""
    with torch.autocast(x.device.type, enabled=False):
        at, groups = _groups(lm, reads, positions, dtype)
        layers = [sides_of(layer) for layer in lm.model.layers]
        parts = [len(at)]
        if len(layers[-1]) > 1:
            at, groups, parts = _by_side(at, groups, reads)
        hidden = x.flatten(0, 1).float().index_select(0, at)
        for sides in layers:
            rows = parts if len(sides) > 1 else [len(at)]
            hidden = hidden + _attention(sides, hidden.split(rows), groups, dtype)
            hidden = hidden + _joined([_gates(side, some, dtype) for side, some in zip(sides, hidden.split(rows), strict=True)])
        hidden = _Normed.apply(hidden, lm.model.norm.variance_epsilon, torch.float32) * lm.model.norm.weight
        return hidden.new_zeros(x.shape).flatten(0, 1).index_copy(0, at, hidden).view(x.shape)


@dataclass(frozen=True)
class _Read:
    """A normed input in the compute dtype, and the norm's weight, which goes into the matrices that read it."""

    x: Float[Tensor, "T D"]
    scale: Float[Tensor, "D"]

    def __matmul__(self, weight: Float[Tensor, "O D"]) -> Float[Tensor, "T O"]:
        return self.x @ (weight * self.scale).to(self.x.dtype).T


def _normed(hidden: Float[Tensor, "T D"], norm: nn.Module, dtype: torch.dtype) -> _Read:
    return _Read(_Normed.apply(hidden, norm.variance_epsilon, dtype), norm.weight)


def _attention(
    sides: tuple[Side, ...], hidden: tuple[Float[Tensor, "_ D"], ...], groups: list[_Group], dtype: torch.dtype
) -> Float[Tensor, "T D"]:
    """`hidden`: of each side its positions. All attend together."""
    qkv = _joined([_qkv(side, some, groups[0].heads, dtype) for side, some in zip(sides, hidden, strict=True)])
    found = _Attend.apply(qkv, groups).split([len(some) for some in hidden])
    return _joined([some @ side.out.weight.to(dtype).T for side, some in zip(sides, found, strict=True)])


def _qkv(side: Side, hidden: Float[Tensor, "t D"], heads: int, dtype: torch.dtype) -> Float[Tensor, "t D3"]:
    q, k = paired(side.q.weight, heads), paired(side.k.weight, heads)
    return _normed(hidden, side.before, dtype) @ torch.cat([q * side.scaling, k, side.v.weight])


def _gates(side: Side, hidden: Float[Tensor, "t D"], dtype: torch.dtype) -> Float[Tensor, "t D"]:
    read = _normed(hidden, side.between, dtype)
    let = _Gated.apply(read @ side.gate.weight, read @ side.up.weight)
    return let @ side.down.weight.to(let.dtype).T


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


@dataclass(frozen=True)
class _Group:
    """A few rows of similar length: attention over them stays in the processor's cache."""

    span: slice | Int[Tensor, "t"]  # where its positions lie among T
    rows: int
    heads: int
    length: int  # P
    at: Int[Tensor, "t"]  # place of each position among rows * P
    source: Int[Tensor, "R"]  # which position lies at each of rows * P places, t at padding
    mask: Float[Tensor, "B 1 P P"]
    turns: Complex[Tensor, "t C"]  # of queries and keys, pair by pair

    def spread(self, x: Float[Tensor, "t C"], parts: int) -> Float[Tensor, "parts N P W"]:
        """Each part's heads as rows of length P, zeros at padding."""
        placed = F.pad(x, (0, 0, 0, 1)).index_select(0, self.source)
        by_head = placed.view(self.rows, self.length, parts, self.heads, -1).permute(2, 0, 3, 1, 4)
        return by_head.flatten(1, 2).contiguous()

    def gather(self, x: Float[Tensor, "parts N P W"]) -> Float[Tensor, "t C"]:
        """The reverse of `spread`."""
        by_place = x.view(len(x), self.rows, self.heads, self.length, -1).permute(1, 3, 0, 2, 4)
        return by_place.reshape(self.rows * self.length, -1).index_select(0, self.at)

    def turn(self, qkv: Float[Tensor, "t D3"], turns: Complex[Tensor, "t C"], out: Float[Tensor, "t D3"]) -> Tensor:
        """Queries and keys turned by their positions, values as they are, into `out`."""
        both = qkv.shape[1] // 3 * 2
        pairs = qkv[:, :both].float()
        torch.view_as_complex(pairs.unflatten(1, (-1, 2))).mul_(turns)
        out[:, :both], out[:, both:] = pairs, qkv[:, both:]
        return out


def _groups(lm: nn.Module, reads: Reads, positions: Int[Tensor, "B S"], dtype: torch.dtype) -> tuple[Tensor, list[_Group]]:
    """Where the T positions lie in (B * S), and the groups of rows in which they attend, the longest rows first."""
    real = reads.doc >= 0
    heads = lm.config.num_attention_heads
    places, groups, start = [], [], 0
    cos, sin = (turn.chunk(2, -1)[0] for turn in lm.model.rotary_emb(lm.model.norm.weight, positions))
    for rows in real.sum(1).argsort(descending=True, stable=True).split(ROWS):
        longest = int(real[rows].any(0).nonzero()[-1]) + 1
        length = -(-longest // LENGTHS) * LENGTHS
        row, column = real[rows].nonzero().unbind(1)
        own = reads.of(rows, longest).additive(dtype)
        mask = F.pad(own, (0, length - longest, 0, length - longest), value=torch.finfo(dtype).min)
        at = row * length + column
        source = at.new_full((len(rows) * length,), len(at)).index_copy(0, at, torch.arange(len(at), device=at.device))
        turns = torch.complex(cos[rows[row], column], sin[rows[row], column]).repeat(1, 2 * heads)
        groups.append(_Group(slice(start, start + len(at)), len(rows), heads, length, at, source, mask, turns))
        places.append(rows[row] * positions.shape[1] + column)
        start += len(at)
    return torch.cat(places), groups


def _by_side(at: Int[Tensor, "T"], groups: list[_Group], reads: Reads) -> tuple[Tensor, list[_Group], list[int]]:
    """The same with the positions in another order, those that draw behind all others, and how many of each there are."""
    drawing = at.new_zeros(len(at)) if reads.drawing is None else reads.drawing.flatten()[at].long()
    order = drawing.argsort(stable=True)
    lies = order.argsort()
    groups = [replace(group, span=lies[group.span]) for group in groups]
    num_drawing = int(drawing.sum())
    return at[order], groups, [len(at) - num_drawing, num_drawing]


class _Normed(Function):
    """x / sqrt(mean(x^2) + eps), the RMS norm without its weight, given in `dtype`."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "T D"], eps: float, dtype: torch.dtype) -> Float[Tensor, "T D"]:
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = torch.rsqrt(size.square_().div_(x.shape[-1]).add_(eps))
        normed = (x * scale).to(dtype)
        ctx.save_for_backward(normed, scale)
        return normed

    @staticmethod
    def backward(ctx: Any, grad: Float[Tensor, "T D"]) -> tuple[Tensor, None, None]:
        normed, scale = (saved.float() for saved in ctx.saved_tensors)
        grad = grad.float()
        along = (grad * normed).mean(-1, keepdim=True)
        return torch.addcmul(grad, normed, along, value=-1).mul_(scale), None, None


class _Gated(Function):
    """silu(gate) * up."""

    @staticmethod
    def forward(ctx: Any, gate: Float[Tensor, "T M"], up: Float[Tensor, "T M"]) -> Float[Tensor, "T M"]:
        let = F.silu(gate)
        ctx.save_for_backward(gate, up, let)
        return let * up

    @staticmethod
    def backward(ctx: Any, grad: Float[Tensor, "T M"]) -> tuple[Tensor, Tensor]:
        gate, up, let = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad * up, gate), grad * let


class _Attend(Function):
    """softmax(q k^T + mask) v with rotary positions; q comes scaled, pairs that turn together stand side by side."""

    @staticmethod
    def forward(ctx: Any, qkv: Float[Tensor, "T D3"], groups: list[_Group]) -> Float[Tensor, "T D"]:
        read, saved = qkv.new_empty(len(qkv), qkv.shape[1] // 3), []
        for group in groups:
            own = qkv[group.span]
            q, k, v = group.spread(group.turn(own, group.turns, torch.empty_like(own)), 3)
            scores = torch.bmm(q, k.transpose(1, 2))
            scores.view(group.rows, group.heads, group.length, group.length).add_(group.mask)
            share = scores.softmax(-1)
            read[group.span] = group.gather(torch.bmm(share, v)[None])
            saved += q, k, v, share
        ctx.groups = groups
        ctx.save_for_backward(*saved)
        return read

    @staticmethod
    def backward(ctx: Any, grad: Float[Tensor, "T D"]) -> tuple[Tensor, None]:
        back, saved = grad.new_empty(len(grad), 3 * grad.shape[1]), iter(ctx.saved_tensors)
        for group, q, k, v, share in zip(ctx.groups, saved, saved, saved, saved, strict=True):
            [own] = group.spread(grad[group.span], 1)
            out = q.new_empty(3, *q.shape)
            torch.bmm(share.transpose(1, 2), own, out=out[2])
            scores = torch.ops.aten._softmax_backward_data(torch.bmm(own, v.transpose(1, 2)), share, -1, share.dtype)
            torch.bmm(scores, k, out=out[0])
            torch.bmm(scores.transpose(1, 2), q, out=out[1])
            turned = group.gather(out)
            back[group.span] = group.turn(turned, group.turns.conj().resolve_conj(), torch.empty_like(turned))
        return back, None
