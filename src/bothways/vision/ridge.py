"""Ridge regression in closed form: the linear map under every probe, leak and distance.

Source: the penalty is chosen by its closed-form leave-one-out error (Allen 1974, PRESS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.errors import DataError

PENALTIES = tuple(10.0**power for power in range(-5, 5))  # of a unit: the mean eigenvalue of the features' covariance


class Ridge:
    """Ridge regression on one set of features, factored once and fitted to as many targets as wanted.

    Features are centred and scaled as a whole; the factorisation is of min(M, D) rows, so D may be far larger than M.
    """

    def __init__(self, features: Float[Tensor, "M D"]):
        if len(features) < 3:
            raise DataError(f"A linear probe got {len(features)} items; give it at least three.")
        x = features.double()
        self.mean = x.mean(0)
        x = x - self.mean
        self.scale = x.square().mean().sqrt().clamp_min(1e-12)
        self._x = x / self.scale
        self._wide = x.shape[1] > x.shape[0]
        gram = self._x @ self._x.T if self._wide else self._x.T @ self._x
        values, self._vectors = torch.linalg.eigh(gram)
        self._values = values.clamp_min(0.0)
        # Left singular vectors times singular values, whichever side was factored.
        self._basis = self._vectors * self._values.sqrt() if self._wide else self._x @ self._vectors

    def fit(self, targets: Float[Tensor, "M K"], penalties: Sequence[float] = PENALTIES) -> Linear:
        """The linear map whose penalty has the smallest leave-one-out error, summed over the K columns."""
        mean = targets.double().mean(0)
        y = targets.double() - mean
        unit = self._values.sum() / self._x.shape[1]  # mean eigenvalue: penalties mean the same for any M and D
        fits = [self._solve(y, penalty * float(unit.clamp_min(1e-12))) for penalty in penalties]
        _, inner = min(fits, key=lambda fit: fit[0])
        weight = self._x.T @ inner if self._wide else inner
        return Linear((weight / self.scale).float(), self.mean.float(), mean.float())

    def _solve(self, y: Float[Tensor, "M K"], penalty: float) -> tuple[float, Tensor]:
        """Leave-one-out error, and the weights (of items where the features are wide, of channels else)."""
        shrunk = 1.0 / (self._values + penalty)
        right = self._basis.T @ y
        fitted = self._basis @ (shrunk[:, None] * right)
        leverage = (self._basis.square() * shrunk).sum(1) + 1.0 / len(y)  # the mean takes a degree of freedom too
        left_out = (y - fitted) / (1.0 - leverage).clamp_min(1e-6)[:, None]
        inner = (y - fitted) / penalty if self._wide else self._vectors @ (shrunk[:, None] * right)
        return float(left_out.square().sum()), inner


@dataclass(frozen=True)
class Linear:
    """y = (x - center) @ weight + offset."""

    weight: Float[Tensor, "D K"]
    center: Float[Tensor, "D"]
    offset: Float[Tensor, "K"]

    def __call__(self, features: Float[Tensor, "M D"]) -> Float[Tensor, "M K"]:
        return (features.float() - self.center) @ self.weight + self.offset
