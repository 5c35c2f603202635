"""What something costs: floating-point operations, counted while it runs, and seconds.

For what no layout tells beforehand: drawing, whose calls follow from what comes out, and networks that are not ours. What
training takes is told from a recipe without running it (recipes/flops.py).

Counted are products (matrix products, convolutions, attention), two operations for a multiplication with its addition; sums,
norms and softmax are left out, as is usual. The formulas are those of torch's own counter, which itself cannot be used: it
keeps books by module, and the hooks that this takes fail in inference mode.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

NUM_TIMES = 3


@dataclass(frozen=True)
class Cost:
    """Operations and seconds; costs add up, and a number times a cost is a cost."""

    flops: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.seconds + other.seconds)

    def __rmul__(self, times: float) -> Cost:
        return Cost(times * self.flops, times * self.seconds)


def cost_of(work: Callable[[], Any]) -> Cost:
    """Of one call: operations are counted in a first one, seconds are the least of three more, which other work on the machine
    disturbs least."""
    flops, seconds = flops_of(work), []
    for _ in range(NUM_TIMES):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return Cost(flops, min(seconds))


def flops_of(work: Callable[[], Any]) -> int:
    """Operations of one call; attention by its products, because on a CPU its fused paths count as nothing."""
    with _Counter() as counter, sdpa_kernel(SDPBackend.MATH):
        work()
    return counter.total


class _Counter(TorchDispatchMode):
    """Sees every operation; those made of others are taken apart until they are known."""

    def __init__(self):
        super().__init__()
        self.total, self._formulas = 0, {**flop_registry, **_tiled()}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        formula = self._formulas.get(func._overloadpacket)
        if formula is None:
            with self:
                out = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if out is NotImplemented else out
        out = func(*args, **kwargs)
        self.total += formula(*args, **kwargs, out_val=out)
        return out


def _tiled() -> dict[Any, Callable[..., int]]:
    """oneDNN's linear layers (backbones/product.py), which torch's formulas leave out."""
    known = hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return {torch.ops.mkldnn._linear_pointwise: _linear} if known else {}


def _linear(x: torch.Tensor, *others: Any, out_val: torch.Tensor, **more: Any) -> int:
    """Of an input "... I" and an output "... O"."""
    return 2 * x.shape[-1] * out_val.numel()
