"""The gradient gate: how much of the image losses reaches the backbone, from 0 (closed) to 1 (open).

It stands between the backbone's hidden states and the head: values pass as they are, gradients are scaled. So a closed gate is
"semantics or pixels outside": the head learns, and neither the backbone nor anything before it (projectors, places, text table)
hears of it. The head's own update does not hang on the gate; for the backbone alone, gate and image weight are one knob.

Source: UniHetero (arXiv 2512.23512) compares pixel losses that do and do not reach the language model; how it blocks them
is not published, so the place of the gate is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.errors import ConfigError
from bothways.model.config import ModelConfig, is_closed


def gated(hidden: Float[Tensor, "N D"], openness: float) -> Float[Tensor, "N D"]:
    """The same values; their gradient times `openness`. At 0 nothing before them is in the graph at all."""
    if openness == 1.0:
        return hidden
    return _Scaled.apply(hidden, openness) if openness else hidden.detach()


def check_reached(config: ModelConfig, counts: Mapping[str, int]) -> None:
    """`counts`: of loss terms in a step. Raises: ConfigError when the gate is closed and no other loss reaches the backbone."""
    closed = {":image": config.gate_is_closed, ":painter": config.painter is None or is_closed(config.painter.gate)}
    stopped = tuple(ending for ending, it_is in closed.items() if it_is)
    if not any(count and not term.endswith(stopped) for term, count in counts.items()):
        raise ConfigError(
            f"The gate is closed and the only losses are of images ({', '.join(counts)}), so nothing would train the backbone; "
            "open model.gate, or give it a source that learns text."
        )


class _Scaled(torch.autograd.Function):
    generate_vmap_rule = True  # models that are trained as one go through here together

    @staticmethod
    def forward(hidden: Tensor, openness: float) -> Tensor:
        return hidden.view_as(hidden)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.openness = inputs[1]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.openness, None
