"""How much each loss term pulls at the backbone: its share of the gradient norm. Cross-entropy, cosine and diffusion losses
have no common unit, so equal weights say nothing about equal pull; this does.

share(term) = |g_term| / sum over terms |g_t|, with g_term the gradient of the weighted term of the whole step, over the
parameters whose name begins with a given prefix. The update itself is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bothways.core.errors import ConfigError


class GradientShares:
    """Collects the gradient of every term over the micro-batches of one step."""

    def __init__(self, module: nn.Module, prefix: str):
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        self._parameters = [p for name, p in named if name.startswith(prefix)]
        if not self._parameters:
            rooms = sorted({name.split(".")[0] + "." for name, _ in named})
            raise ConfigError(
                f"No trainable parameter begins with `{prefix}`, so gradient shares cannot be measured; "
                f"set train.shares_of to one of {', '.join(rooms)}, or train.shares_every_steps to 0."
            )
        self._gradients: dict[str, list[Tensor]] = {}

    def add(self, parts: Mapping[str, Tensor]) -> None:
        """`parts` are the terms of `step_loss`, whose graph is kept for the backward that follows."""
        for name, part in parts.items():
            if part.requires_grad:
                self.take(name, torch.autograd.grad(part, self._parameters, retain_graph=True, allow_unused=True))

    def take(self, name: str, gradients: Sequence[Tensor | None]) -> None:
        """Adds the gradients of a term, None where a parameter has none, in the order of the module's parameters."""
        new = [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, self._parameters, strict=True)]
        old = self._gradients.get(name)
        self._gradients[name] = new if old is None else [a + b for a, b in zip(old, new, strict=True)]

    def norms(self) -> dict[str, float]:
        """Norm of each term's gradient."""
        return {name: float(nn.utils.get_total_norm(grads)) for name, grads in self._gradients.items()}

    def result(self) -> dict[str, float]:
        """Share of each term in [0, 1]; they sum to 1 unless no term reaches these parameters (then all are 0)."""
        norms = self.norms()
        whole = sum(norms.values())
        return {name: round(norm / whole, 6) if whole else 0.0 for name, norm in norms.items()}
