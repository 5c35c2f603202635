"""Do the embeddings that a model predicts become alike? Variance and effective rank, and a sentence when they do.

*Spread* is the share of the embeddings' mean square that is variance: 0 when all point the same way, which is what 1 - cosine
rewards; *variance* falls where a squared error can shrink its targets; *rank* where they are left in a few directions. Each is
compared with what it was when it was first looked at. Ours: none of the papers says how it would know.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from bothways.model.moments import Moments
from bothways.vision.leak import effective_rank

# Shares of the first value below which something is lost. Of the rank counts how far it lies above 1, the least there is.
COLLAPSED = {"variance": 0.05, "spread": 0.1, "rank": 0.15}
LEAST = {"rank": 1.0}


@dataclass(frozen=True)
class Findings:
    """`numbers` for the log; `sentence` where there is something to say to a person."""

    numbers: dict[str, float] = field(default_factory=dict)
    sentence: str | None = None


class Collapse(nn.Module):
    """`first`: variance, spread and rank when they were first looked at, saved with the weights."""

    def __init__(self, width: int):
        super().__init__()
        self.predictions = Moments(width, 0, 0)
        self.register_buffer("first", torch.zeros(len(COLLAPSED), dtype=torch.double))
        self._said = False

    def look(self, targets: Moments, side: str) -> Findings:
        """`side`: of the targets, for the sentence, which is said once."""
        found = _alive(targets)
        if not self.first.any():
            self.first.copy_(torch.tensor(list(found.values())))
        numbers = {f"target_{name}": value for name, value in found.items()}
        numbers |= {"target_variance_min": float(targets.variance.min()), "target_variance_max": float(targets.variance.max())}
        if self.predictions.count:
            numbers |= {f"prediction_{name}": value for name, value in _alive(self.predictions).items()}
        numbers["read_out"] = targets.read_out().explained
        return Findings({name: float(f"{value:.5g}") for name, value in numbers.items()}, self._sentence(found, side))

    def _sentence(self, found: dict[str, float], side: str) -> str | None:
        lost = [
            f"{name} {found[name]:.3g} (at first {first:.3g})"
            for (name, share), first in zip(COLLAPSED.items(), self.first.tolist(), strict=True)
            if found[name] - LEAST.get(name, 0.0) < share * (first - LEAST.get(name, 0.0))
        ]
        if not lost or self._said:
            return None
        self._said = True
        advice = "use stop_gradient, ema or frozen" if side == "live" else "a lower lr, or side frozen, may help"
        return (
            f"The embeddings that the head predicts collapse: {', '.join(lost)}; they become alike, so a falling image loss "
            f"means nothing (model.target.side is {side}: {advice})."
        )


def _alive(moments: Moments) -> dict[str, float]:
    """variance (mean over channels), spread in [0, 1], effective rank in [1, D]."""
    variance, square = float(moments.variance.mean()), float(moments.mean.square().mean())
    return {
        "variance": variance,
        "spread": variance / max(variance + square, 1e-30),
        "rank": effective_rank(moments.covariance),
    }
