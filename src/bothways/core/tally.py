"""A sum and a count. Means exist only at the end, so that micro-batches, ranks and packed documents add up exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tally:
    """`total` is a sum (float or scalar tensor, nats for losses), `count` how many terms are in it."""

    total: Any
    count: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> float:
        """total / count; 0.0 when nothing was counted."""
        return float(self.total) / self.count if self.count else 0.0
