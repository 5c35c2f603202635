"""Misalignment on a dial: the vectors that a model reads, moved away from those that it draws, by a map that loses nothing.

A rotation keeps every length and angle among the vectors, so reading is as hard as before; what changes is only that the
given picture's vectors no longer lie where the learned picture's do. P1 (arXiv 2505.23043, E3) applies the whole rotation at
every strength and scales and moves on top, which also makes reading harder; both maps are corners of `WarpedConfig`.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.randomness import rng
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.warp_config import WarpedConfig


class Rotation:
    """The shortest way from the identity to a rotation drawn evenly from all rotations of `dim` dimensions.

    `at(r)` = exp(r log Q): orthogonal for every r, the identity at 0, Q at 1. Q turns each of its planes by an angle of its
    own, nearly even in [-180, 180] degrees; `at(r)` turns it by r times that. So every angle grows in proportion to r, in the
    mean to 90 degrees at r = 1, and a vector's cosine with its image is sin(pi r) / (pi r) for many dimensions: 0.90 at a
    quarter, 0.64 at a half, 0.30 at three quarters, 0 at 1.
    """

    def __init__(self, dim: int, seed: int = 0):
        from scipy.linalg import schur

        # Real Schur form of a normal matrix: Q = basis @ blocks @ basis.T with blocks of one plane each.
        blocks, self._basis = schur(_random_rotation(dim, seed), output="real")
        self._logarithm = np.zeros_like(blocks)
        for row in range(dim - 1):
            if abs(blocks[row + 1, row]) > 1e-9:
                angle = np.arctan2(blocks[row + 1, row], blocks[row, row])
                self._logarithm[row + 1, row], self._logarithm[row, row + 1] = angle, -angle

    @property
    def angles(self) -> np.ndarray:
        """Degrees by which each plane turns at r = 1, none negative; an odd dimension has one axis that stays."""
        return np.degrees(np.abs(np.diag(self._logarithm, -1)[np.abs(np.diag(self._logarithm, -1)) > 0]))

    def at(self, share: float) -> Float[np.ndarray, "D D"]:
        """The matrix of `share` in [0, 1] of the way."""
        from scipy.linalg import expm

        if share == 0:
            return np.eye(len(self._basis))
        return self._basis @ expm(share * self._logarithm) @ self._basis.T


def _random_rotation(dim: int, seed: int) -> Float[np.ndarray, "D D"]:
    """Haar-distributed (QR of a normal matrix, signs fixed; Mezzadri 2007), determinant 1."""
    q, r = np.linalg.qr(rng(seed, "warp", "rotation", dim).standard_normal((dim, dim)))
    q = q * np.sign(np.diag(r))
    if np.linalg.det(q) < 0:
        q[:, 0] = -q[:, 0]
    return q


class WarpedTokenizer(AbstractTokenizer):
    """The wrapped tokenizer with other vectors: its tokens, its pictures, its spec."""

    def __init__(self, config: WarpedConfig):
        super().__init__()
        self.config = config
        self.of = config.of.build()
        self.spec = self.of.spec
        dim = self.spec.dim
        rotation = Rotation(dim, config.seed).at(config.rotation)
        draws = rng(config.seed, "warp", "scale and offset", dim)
        factors = 1.0 + config.scale * draws.uniform(-1.0, 1.0, dim)
        offsets = config.offset * draws.uniform(-1.0, 1.0, dim)
        self.register_buffer("matrix", torch.from_numpy(rotation.T * factors).float())  # rows are vectors
        self.register_buffer("offset", torch.from_numpy(offsets).float())

    @property
    def encoder(self) -> AbstractTokenizer:
        return self.of.encoder

    def encode(self, pixels: Float[Tensor, "B 3 P P"]) -> Tensor:
        return self.of.encode(pixels)

    def vectors(self, tokens: Tensor) -> Float[Tensor, "B N D"]:
        return self.of.vectors(tokens) @ self.matrix + self.offset

    def decode(self, tokens: Tensor) -> Float[Tensor, "B 3 P P"]:
        return self.of.decode(tokens)
