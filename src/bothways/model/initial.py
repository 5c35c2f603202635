"""Initial weights, drawn per parameter name: one more head or projector does not move the others' draws."""

from __future__ import annotations

import torch
from torch import nn

from bothways.core.randomness import seed_of

EMBEDDING_STD = 0.02  # GPT-2's value for every matrix of the backbone


@torch.no_grad()
def initialise(module: nn.Module, seed: int) -> None:
    """Matrices normal (0.02; projectors 1 / sqrt(fan-in), so that content and place start at the same size), biases 0.

    Norms stay as their module made them: most scale by their weight (1 at first), Gemma's by 1 + weight (0 at first).
    """
    for name, weight in module.named_parameters():
        if not weight.requires_grad:
            continue
        if name.endswith("bias"):
            weight.zero_()
        elif weight.ndim > 1 or "nothing" in name:
            generator = torch.Generator().manual_seed(seed_of(seed, "initial", name))
            std = weight.shape[1] ** -0.5 if ".content." in name else EMBEDDING_STD
            weight.copy_(torch.randn(weight.shape, generator=generator) * std)
