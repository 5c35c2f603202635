"""The decay of a moving average that forgets its first values soon and its later ones slowly.

Source: TensorFlow's `ExponentialMovingAverage(num_updates=...)`. A run of a thousand steps would never forget its first values
at 0.9999.
"""

from __future__ import annotations


def growing_decay(step: int, most: float) -> float:
    """Share of the old average that stays at update number `step` (0-based): (1 + step) / (10 + step), at most `most`."""
    return min(most, (1 + step) / (10 + step))
