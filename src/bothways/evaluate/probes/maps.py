"""Two axes for many: PCA, and t-SNE after PCA to 50 (as in P1's E5), exact, which a few hundred pictures allow.

Source: van der Maaten and Hinton 2008 (JMLR 9): perplexity by bisection, symmetric affinities, early exaggeration, momentum
with gains. A map shows groups and proves nothing: the linear probe beside it does the measuring.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.randomness import seed_of

AXES_BEFORE_TSNE = 50


def pca(x: Float[Tensor, "M D"], num_axes: int = 2) -> tuple[Float[Tensor, "M K"], list[float]]:
    """Coordinates on the first axes, and the share of variance that each explains. Signs: the largest entry is positive."""
    x = x.double() - x.double().mean(0)
    u, s, _ = torch.linalg.svd(x, full_matrices=False)
    coordinates = (u * s)[:, :num_axes]
    biggest = coordinates.abs().argmax(0)
    coordinates = coordinates * coordinates[biggest, torch.arange(coordinates.shape[1])].sign()
    return coordinates.float(), (s.square() / s.square().sum().clamp_min(1e-24))[:num_axes].tolist()


def tsne(x: Float[Tensor, "M D"], perplexity: float = 30.0, steps: int = 400, seed: int = 0) -> Float[Tensor, "M 2"]:
    """A plane in which neighbours stay neighbours. Perplexity is cut to a third of the points."""
    x = pca(x, AXES_BEFORE_TSNE)[0].double()
    affinities = _affinities(x, min(perplexity, (len(x) - 1) / 3))
    generator = torch.Generator().manual_seed(seed_of(seed, "t-SNE"))
    y = torch.randn(len(x), 2, generator=generator, dtype=torch.double) * 1e-4
    speed, gains, rate = torch.zeros_like(y), torch.ones_like(y), max(50.0, len(x) / 48)
    for step in range(steps):
        early = step < steps // 4
        close = 1 / (1 + torch.cdist(y, y).square())
        close.fill_diagonal_(0)
        pull = ((12.0 if early else 1.0) * affinities - close / close.sum()) * close
        slope = 4 * (pull.sum(1, keepdim=True) * y - pull @ y)
        gains = torch.where(slope.sign() == speed.sign(), gains * 0.8, gains + 0.2).clamp_min(0.01)
        speed = (0.5 if early else 0.8) * speed - rate * gains * slope
        y = y + speed
        y = y - y.mean(0)
    return y.float()


def _affinities(x: Float[Tensor, "M D"], perplexity: float) -> Float[Tensor, "M M"]:
    """Joint probabilities whose conditional ones have this perplexity at every point."""
    squares = torch.cdist(x, x).square()
    squares.fill_diagonal_(math.inf)
    squares = squares / squares[squares.isfinite()].mean()
    low, high = torch.full((len(x), 1), 1e-6, dtype=x.dtype), torch.full((len(x), 1), 1e6, dtype=x.dtype)
    for _ in range(60):
        precision = (low * high).sqrt()
        shares = (-squares * precision).softmax(1)
        entropy = -(shares * shares.clamp_min(1e-30).log()).sum(1, keepdim=True)
        narrow = entropy < math.log(perplexity)
        low, high = torch.where(narrow, low, precision), torch.where(narrow, precision, high)
    return ((shares + shares.T) / (2 * len(x))).clamp_min(1e-12)
