"""Initial weights, drawn per parameter name: one more head or projector does not move the others' draws."""

from __future__ import annotations

import torch
from torch import nn

from bothways.core.randomness import seed_of

EMBEDDING_STD = 1.0  # text, places and `nothing` enter the backbone at unit size, and so does projected content
MATRIX_GAIN = 0.7  # times 1 / sqrt(fan-in)
CONTENT_GAIN = 1.7  # the same for a projector: makes up for what the GELU takes, so content leaves at unit size


@torch.no_grad()
def initialise(module: nn.Module, seed: int) -> None:
    """Embeddings normal with standard deviation 1, matrices gain / sqrt(fan-in), biases 0; a table that is tied to the text
    output is drawn as a matrix; layers called `zero_...` stay at zero. On the meta device there is nothing to draw.

    Norms stay as their module made them: most scale by their weight (1 at first), Gemma's by 1 + weight (0 at first).
    GPT-2's 0.02 everywhere is too small for widths of a hundred: a nano model did not find a corner in 400 steps with it and
    most of them with this (LOG.md, 2026-11-21).
    """
    outputs = {id(layer.weight) for name, layer in module.named_modules() if name.endswith("lm_head")}
    for name, weight in module.named_parameters():
        if not weight.requires_grad or weight.is_meta:
            continue
        if name.endswith("bias"):
            weight.zero_()
        elif weight.ndim > 1 or "nothing" in name:
            generator = torch.Generator().manual_seed(seed_of(seed, "initial", name))
            weight.copy_(torch.randn(weight.shape, generator=generator) * _std(name, weight, id(weight) in outputs))


def _std(name: str, weight: torch.Tensor, is_output: bool) -> float:
    if "zero_" in name:
        return 0.0
    if not is_output and ("nothing" in name or "embed" in name or ".axes." in name):
        return EMBEDDING_STD
    first = name.endswith(("content.weight", "content.0.weight"))  # reads vectors; the layers after it, what a GELU leaves
    gain = MATRIX_GAIN if ".content." not in name else 1.0 if first else CONTENT_GAIN
    return gain * weight.shape[1] ** -0.5
