"""Means, covariance and the best linear read-out of vectors that change while a model learns, from sums that fade.

One buffer of sums of products says it all, so that micro-batches add up and a checkpoint holds everything.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

PENALTY = 1e-4  # of the read-out, in mean eigenvalues of the covariance: enough to solve where channels hang together


@dataclass(frozen=True)
class ReadOut:
    """y = (x - center) @ weight + offset; `explained` is the share of y's variance that it explains."""

    weight: Float[Tensor, "D C"]
    center: Float[Tensor, "D"]
    offset: Float[Tensor, "C"]
    explained: float

    def __call__(self, x: Float[Tensor, "*shape D"]) -> Float[Tensor, "*shape C"]:
        return (x.float() - self.center) @ self.weight + self.offset


class Moments(nn.Module):
    """Of vectors x "N D" and what is to be read out of them, y "N C" (C may be 0). Mean and covariance are those of the first
    `dim` channels of x; the others only help to read."""

    def __init__(self, dim: int, num_others: int, dim_out: int):
        super().__init__()
        self.dim, self.dim_in = dim, dim + num_others
        # Double: what is seen in a run is summed, and a covariance is a small difference of such sums.
        self.register_buffer("sums", torch.zeros((1 + self.dim_in, 1 + self.dim_in + dim_out), dtype=torch.double))
        self.register_buffer("squares", torch.zeros(dim_out, dtype=torch.double))
        self._read_out: tuple[int, ReadOut] | None = None

    @torch.no_grad()
    def add(self, x: Float[Tensor, "N D"], y: Float[Tensor, "N C"]) -> None:
        with full_precision(x.device):
            left = torch.cat([x.new_ones(len(x), 1), x], 1)
            self.sums += (left.T @ torch.cat([left, y], 1)).double()
        self.squares += y.double().square().sum(0)

    @torch.no_grad()
    def forget(self, stays: float) -> None:
        """Everything seen so far counts `stays` times as much from now on."""
        self.sums *= stays
        self.squares *= stays

    @property
    def count(self) -> float:
        """Vectors seen, those of long ago counted less."""
        return float(self.sums[0, 0])

    @property
    def mean(self) -> Float[Tensor, "dim"]:
        return (self.sums[0, 1 : 1 + self.dim] / self.sums[0, 0]).float()

    @property
    def variance(self) -> Float[Tensor, "dim"]:
        """Of each channel."""
        return self.covariance.diagonal().clamp_min(0).float()

    @property
    def covariance(self) -> Tensor:
        """Double "dim dim"."""
        return self._centred()[: self.dim, : self.dim]

    def read_out(self) -> ReadOut:
        """The linear map with the smallest squared error (ridge, with a tiny penalty). Zero before anything was seen."""
        version = self.sums._version  # moves with every change in place, loading included
        if self._read_out is None or self._read_out[0] != version:
            self._read_out = version, self._fitted()
        return self._read_out[1]

    def _centred(self) -> Tensor:
        means = self.sums[0, 1:] / self.sums[0, 0].clamp_min(1e-12)
        return self.sums[1:, 1:] / self.sums[0, 0].clamp_min(1e-12) - torch.outer(means[: self.dim_in], means)

    def _fitted(self) -> ReadOut:
        centred = self._centred()
        covariance, cross = centred[:, : self.dim_in], centred[:, self.dim_in :]
        penalty = PENALTY * covariance.trace() / self.dim_in + 1e-12
        weight = torch.linalg.solve(covariance + penalty * torch.eye(self.dim_in).to(covariance), cross)
        means = (self.sums[0, 1:] / self.sums[0, 0].clamp_min(1e-12)).float()
        center, offset = means[: self.dim_in], means[self.dim_in :]
        variance = (self.squares / self.sums[0, 0].clamp_min(1e-12) - offset.double().square()).sum()
        explained = (2 * (weight * cross).sum() - (weight * (covariance @ weight)).sum()) / variance.clamp_min(1e-12)
        return ReadOut(weight.float(), center, offset, float(explained))


def full_precision(device: torch.device) -> AbstractContextManager:
    """No autocast inside. Where gradients are off, it would also keep a cast without a gradient for products that need one."""
    known = torch.amp.is_autocast_available(device.type)  # it is not on the meta device
    return torch.autocast(device.type, enabled=False) if known else nullcontext()
