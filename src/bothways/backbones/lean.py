"""The fast way through a llama-type network while generating. The slow, obvious way is transformers' own forward pass.

A step of generation is a few rows wide: it is bound by reading weights and cache from memory, and by the number of
operations. So here weights are laid out once for few rows (`lean_weights`), in fp32 or bf16; rotary positions are one complex
product; residuals are added by the products themselves; keys and values are written in place into a cache that is read
from end to end. Norms, attention and residuals are fp32 in either dtype. `tests/equivalence/test_lean.py` holds it to
transformers' hidden states within 1e-5; docs/results/speed.md says what it saves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from bothways.backbones.backbone import Reads
from bothways.backbones.lean_weights import Weights

SLOTS = 16  # by which a cache grows


class LeanCache:
    """Keys and values of `num_rows` sequences.

    Letters: B rows, Q positions read at once, N = B * Q, K positions in the cache, H heads, W width of a head, D = H * W.
    """

    def __init__(self, weights: Weights, num_rows: int):
        self._weights = weights
        self._filled = 0
        # Keys and values of a layer, each a matrix a row and head, one after the other. fp32 always: torch multiplies bf16
        # matrices of these shapes 1.7 times as slowly.
        # All slots are read at every step, filled or not: a few slots skipped between two matrices cost more than reading
        # them, because the processor then stops reading ahead (1.4 ms a step instead of 0.6 at 52 slots of 56).
        shape = len(weights.layers), 2, num_rows, weights.num_heads, 0, weights.head_width
        self._kept = weights.last_norm.new_zeros(shape)

    def run(self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        """Hidden states after the last norm; keys and values of the Q positions are appended."""
        shape, new = x.shape, slice(self._filled, self._filled + x.shape[1])
        self._make_room(new.stop)
        turns, mask = self._weights.turns[positions][:, :, None, None], self._mask(reads)
        x = x.reshape(-1, shape[2])
        for layer, kept in zip(self._weights.layers, self._kept, strict=True):
            qkv = layer.qkv(self._normed(x)).float().view(*shape[:2], 3, self._weights.num_heads, -1)
            torch.view_as_complex(qkv[:, :, :2].unflatten(-1, (-1, 2))).mul_(turns)
            q, kept[:, :, :, new] = qkv[:, :, 0].transpose(1, 2), qkv[:, :, 1:].permute(2, 0, 3, 1, 4)
            x = layer.out.added(_attended(q, *kept, mask), x)
            gate, up = layer.gate_up(self._normed(x)).chunk(2, -1)
            x = layer.down.added(F.silu(gate).mul_(up), x)
        self._filled = new.stop
        return (self._normed(x) * self._weights.last_norm).view(shape)

    def batch_select_indices(self, rows: Int[Tensor, "R"]) -> None:
        """Keep these rows only (the name is transformers')."""
        self._kept = self._kept[:, :, rows]

    def crop(self, num: int) -> None:
        """Forget the last `-num` positions, or all but the first `num` (the name and the sign are transformers')."""
        self._filled = num if num >= 0 else self._filled + num

    def _normed(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """The RMS norm without its weights."""
        return x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self._weights.floor)

    def _mask(self, reads: Reads) -> Float[Tensor, "B 1 Q K"]:
        mask = reads.additive(torch.float32)
        return F.pad(mask, (0, self._kept.shape[4] - mask.shape[3]), value=torch.finfo(torch.float32).min)

    def _make_room(self, num_slots: int) -> None:
        room = self._kept.shape[4]
        if num_slots > room:
            kept = self._kept.new_empty((*self._kept.shape[:4], -(-num_slots // SLOTS) * SLOTS, self._kept.shape[5]))
            kept[..., :room, :] = self._kept
            kept[..., room:, :] = 0  # never read with weight, but read: what lies there must be finite
            self._kept = kept


def _attended(
    q: Float[Tensor, "B H Q W"],
    keys: Float[Tensor, "B H K W"],
    values: Float[Tensor, "B H K W"],
    mask: Float[Tensor, "B 1 Q K"],
) -> Float[Tensor, "N D"]:
    """What the queries read; they come scaled."""
    scores = torch.bmm(q.reshape(-1, *q.shape[2:]), keys.flatten(0, 1).transpose(1, 2)).view(*q.shape[:3], -1).add_(mask)
    read = torch.bmm(scores.softmax(-1).flatten(0, 1), values.flatten(0, 1)).view(q.shape)
    return read.transpose(1, 2).reshape(q.shape[0] * q.shape[2], -1)
