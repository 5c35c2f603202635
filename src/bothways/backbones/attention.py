"""Attention paths that transformers does not have, registered under their own names.

`matmul`: softmax(q k^T + mask) v written out in the compute dtype. On CPUs with bf16 units it is the fastest path measured
for training (docs/results/speed.md): `scaled_dot_product_attention` has a slow bf16 backward there, and transformers' eager
path computes the softmax in fp32.
"""

from __future__ import annotations

import torch
from torch import Tensor


def matmul(
    module: torch.nn.Module,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    softcap: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Signature of transformers' attention functions; q, k, v are (B, heads, Q or K, head width), mask (B, 1, Q, K)."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = torch.matmul(q * scaling, k.transpose(2, 3))
    if softcap is not None:  # Gemma 2
        scores = softcap * torch.tanh(scores / softcap)
    if mask is not None:
        scores = scores + mask
    read = torch.nn.functional.dropout(torch.softmax(scores, -1), dropout, module.training)
    return torch.matmul(read, v).transpose(1, 2), None


def register() -> None:
    """Make the paths known to transformers. Safe to call twice."""
    from transformers import AttentionInterface

    AttentionInterface.register("matmul", matmul)


def choose(dtype: torch.dtype, device: str, has_sdpa: bool = True) -> str:
    """The path measured to be fastest for a compute dtype and device, among those that the family has."""
    return "matmul" if not has_sdpa or (device == "cpu" and dtype == torch.bfloat16) else "sdpa"
