"""The fast way through a llama-type network while generating. The slow, obvious way is transformers' own forward pass.

A step of generation is a few rows wide: it is bound by reading weights and cache from memory, and by the number of
operations. So here weights are laid out once for few rows (`lean_weights`), in fp32 or bf16; products run on the positions
that are no padding; rotary positions are one complex product; residuals are added by the products themselves; keys and
values are written in place into a cache that is read from end to end. Norms, attention and residuals are fp32 in either
dtype. `tests/equivalence/test_lean.py` holds it to transformers' hidden states within 1e-5; docs/results/speed.md says what
it saves.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bothways.backbones.backbone import Reads
from bothways.backbones.branch import Parts
from bothways.backbones.lean_weights import Layer, Weights
from bothways.backbones.product import Mixed

SLOTS = 16  # by which a cache grows


class LeanCache:
    """Keys and values of `num_rows` sequences.

    Letters: B rows, Q positions read at once, N of the B * Q that are no padding, K positions in the cache, H heads, W width
    of a head, D = H * W.
    """

    def __init__(self, weights: Weights, num_rows: int):
        self._weights = weights
        self._filled = 0
        shape = 2, num_rows, weights.num_heads, 0, weights.head_width
        self._kept = [Kept(weights.last_norm.new_zeros(shape)) for _ in weights.layers]
        _keep_freed_memory()

    def run(self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        """Hidden states after the last norm, zeros at padding; keys and values of the Q positions are appended."""
        (rows, num, _), heads, width = x.shape, self._weights.num_heads, self._weights.head_width
        new = slice(self._filled, self._filled + num)
        self._make_room(new.stop)
        turns, mask = self._weights.turns[positions][:, :, None, None], self._mask(reads)
        take, put = _packing(reads.doc)
        hidden = take(x.flatten(0, 1))
        branched = len(self._weights.layers[-1]) > 1 and reads.drawing is not None
        choose = _chooser(take(reads.drawing.reshape(-1, 1))[:, 0] if branched else None)
        for sides, kept in zip(self._weights.layers, self._kept, strict=True):
            layer = choose(sides)
            qkv = put(layer.qkv(self._normed(hidden)).float()).view(rows, num, 3, heads, width)
            torch.view_as_complex(qkv.view(rows, num, 3, heads, -1, 2)[:, :, :2]).mul_(turns)
            kept.both[:, :, :, new] = qkv[:, :, 1:].permute(2, 0, 3, 1, 4)
            scores = torch.bmm(qkv[:, :, 0].transpose(1, 2).reshape(-1, num, width), kept.keys).add_(mask)
            read = torch.bmm(scores.softmax(-1), kept.values).view(rows, heads, num, width)
            hidden = layer.out.added(take(read.transpose(1, 2).reshape(rows * num, -1)), hidden)
            gate, up = layer.gate_up(self._normed(hidden)).chunk(2, -1)
            hidden = layer.down.added(F.silu(gate).mul_(up), hidden)
        self._filled = new.stop
        return put(self._normed(hidden) * self._weights.last_norm).view(x.shape)

    def batch_select_indices(self, rows: Int[Tensor, "R"]) -> None:
        """Keep these rows only (the name is transformers')."""
        self._kept = [Kept(kept.both[:, rows]) for kept in self._kept]

    def crop(self, num: int) -> None:
        """Forget the last `-num` positions, or all but the first `num` (the name and the sign are transformers')."""
        self._filled = num if num >= 0 else self._filled + num

    def _normed(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """The RMS norm without its weights."""
        return x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self._weights.floor)

    def _mask(self, reads: Reads) -> Float[Tensor, "BH Q K"]:
        mask = reads.additive(torch.float32)
        mask = F.pad(mask, (0, self._kept[0].room - mask.shape[3]), value=torch.finfo(torch.float32).min)
        return mask.expand(-1, self._weights.num_heads, -1, -1).flatten(0, 1)

    def _make_room(self, num_slots: int) -> None:
        if num_slots > self._kept[0].room:
            for layer, kept in enumerate(self._kept):  # one after the other: the next takes the memory that this one leaves
                self._kept[layer] = kept.grown(-(-num_slots // SLOTS) * SLOTS)


class Kept:
    """Keys and values of a layer, a matrix a row and head, one after the other: `both`, and views for products.

    fp32 always: torch multiplies bf16 matrices of these shapes 1.7 times as slowly. All slots are read at every step, filled
    or not: a few slots skipped between two matrices cost more than reading them, because the processor then stops reading
    ahead (1.4 ms a step instead of 0.6 at 52 slots of 56).
    """

    def __init__(self, both: Float[Tensor, "2 B H K W"]):
        self.both, self.room = both, both.shape[3]
        keys, self.values = both.flatten(1, 2)
        self.keys = keys.transpose(1, 2)

    def grown(self, room: int) -> Kept:
        both = self.both.new_empty((*self.both.shape[:3], room, self.both.shape[4]))
        both[..., : self.room, :] = self.both
        both[..., self.room :, :] = 0  # never read with weight, but read: what lies there must be finite
        return Kept(both)


def _chooser(drawing: Bool[Tensor, "N"] | None) -> Callable[[tuple[Layer, ...]], Layer]:
    """Of the sides of a layer the one that all positions go through, or both as one where some draw and some do not."""
    if drawing is None or not drawing.any():
        return lambda sides: sides[0]
    if drawing.all():
        return lambda sides: sides[-1]
    parts = Parts.of(drawing)
    return lambda sides: sides[0] if len(sides) == 1 else _mixed(sides, parts)


def _mixed(sides: tuple[Layer, ...], parts: Parts) -> Layer:
    each = zip(*((side.qkv, side.out, side.gate_up, side.down) for side in sides), strict=True)
    return Layer(*(Mixed(products, parts) for products in each))


def _keep_freed_memory() -> None:
    """glibc hands the memory of a freed cache back to the system, and every page of the next one is fetched anew: 7 ms of a
    draw of 155. It keeps as much as twice the largest block that was ever freed; so here a large one is, never touched."""
    torch.empty(31 * 2**20, dtype=torch.uint8)


def _packing(doc: Int[Tensor, "B Q"]) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Takes what is no padding out of all B * Q positions, and puts it back among zeros. Single positions are all taken."""
    if doc.shape[1] == 1:
        return (lambda x: x), (lambda x: x)
    at = (doc.flatten() >= 0).nonzero()[:, 0]
    return (lambda x: x.index_select(0, at)), (lambda x: x.new_zeros(doc.numel(), x.shape[1]).index_copy_(0, at, x))
