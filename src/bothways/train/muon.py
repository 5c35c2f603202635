"""One update of Muon for several modules at once, matrices of one shape in one product.

The iteration that gives a matrix singular values of one is some twenty small operations, and torch's Muon goes through them
matrix by matrix: for a small model that is more of them than its forward and backward passes have. Here a shape takes as many
as a matrix does there.
Source: as optim.py; the numbers are torch's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def step_together(optimizers: Sequence[torch.optim.Muon]) -> None:
    """`step` of each; they have the same settings and the same matrices, each its own."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    state = {p: optimizer.state for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    by_shape = defaultdict(list)
    for matrix in state:
        if matrix.grad is not None:
            by_shape[matrix.shape].append(matrix)
    for shape, matrices in by_shape.items():
        _update(matrices, [_momentum(state[matrix][matrix], matrix) for matrix in matrices], groups[0], _reach(shape))


def _update(matrices: list[Tensor], moving: list[Tensor], settings: dict[str, Any], reach: float) -> None:
    """Moves matrices of one shape. `moving`: the averages of their gradients."""
    lr, stays = settings["lr"], settings["momentum"]
    gradients = [matrix.grad for matrix in matrices]
    torch._foreach_lerp_(moving, gradients, 1 - stays)
    ahead = torch._foreach_lerp(gradients, moving, stays)  # Nesterov's
    turned = orthogonal(torch.stack(ahead), settings["ns_coefficients"], settings["ns_steps"], settings["eps"])
    torch._foreach_mul_(matrices, 1 - lr * settings["weight_decay"])
    torch._foreach_add_(matrices, turned.to(matrices[0].dtype).unbind(), alpha=-lr * reach)


def orthogonal(
    matrices: Float[Tensor, "N A B"], coefficients: tuple[float, float, float], num_steps: int, eps: float
) -> Float[Tensor, "N A B"]:
    """The matrices with singular values near one, in bf16, by Newton and Schulz's iteration of the fifth order."""
    linear, cubic, quintic = coefficients
    wide = matrices.bfloat16()
    if matrices.shape[1] > matrices.shape[2]:
        wide = wide.mT
    wide = wide / torch.linalg.vector_norm(wide, dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(num_steps):
        gram = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic), wide, beta=linear)
    return wide.mT if matrices.shape[1] > matrices.shape[2] else wide


def _momentum(state: dict[str, Tensor], matrix: Tensor) -> Tensor:
    if "momentum_buffer" not in state:
        state["momentum_buffer"] = torch.zeros_like(matrix)
    return state["momentum_buffer"]


def _reach(shape: torch.Size) -> float:
    """torch's `match_rms_adamw`."""
    return 0.2 * max(shape) ** 0.5
