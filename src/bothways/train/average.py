"""A moving average of the trained weights, which a finished run is used with; training itself never sees it.

One copy, in place, of what is trained and of nothing else. It lies on the weights' own device or on the CPU; where weights are
sharded, so is the copy. Buffers are not averaged: they are counts and sums, or codebooks with averages of their own.

Source: Polyak and Juditsky 1992; the growing decay: core/decay.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bothways.core.decay import growing_decay
from bothways.train.config import AverageConfig


class Average:
    """`weights`: name of a trained parameter -> its average."""

    def __init__(self, module: nn.Module, config: AverageConfig):
        self._config = config
        self._trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
        self.weights: dict[str, Tensor] = {name: self._copied(parameter) for name, parameter in self._trained.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after update number `step` (0-based)."""
        new = [parameter.detach().to(mean.device) for parameter, mean in zip(self._trained.values(), self._means, strict=True)]
        torch._foreach_lerp_(self._means, new, 1 - decay(step, self._config))

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Goes on from a saved average; what it lacks starts from the weights as they are now."""
        for name, parameter in self._trained.items():
            self.weights[name].copy_(weights.get(name, parameter))

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges weights and average, in place and without loss."""
        for name, parameter in self._trained.items():
            held = parameter.detach().clone()
            parameter.copy_(self.weights[name])
            self.weights[name].copy_(held)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The module with the average in place of its weights."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @property
    def _means(self) -> list[Tensor]:
        return list(self.weights.values())

    def _copied(self, parameter: nn.Parameter) -> Tensor:
        device = parameter.device if self._config.device == "same" else self._config.device
        return parameter.detach().to(device, copy=True)


def decay(step: int, config: AverageConfig) -> float:
    """Share of the old average that stays at update number `step` (0-based)."""
    return growing_decay(step, config.decay)
