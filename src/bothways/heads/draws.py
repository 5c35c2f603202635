"""The randomness of positions in pictures, by name: what a head draws for a token is the same alone, in any batch and order.

A generator a picture and stream draws one block for all places of the picture, and each position takes its own place's part.
That is a few dozen generators a step; one a token would be thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.randomness import rng

Name = tuple[str | int, ...]


class Draws:
    """Draws for N positions; nothing is drawn before it is asked for."""

    def __init__(
        self,
        seed: int,
        pictures: Sequence[Name],
        picture: Int[Tensor, "N"],
        place: Int[Tensor, "N"],
        num_tokens: int,
        share: float | None = None,
    ):
        """Position n holds the token at `place[n]` of the picture called `pictures[picture[n]]`, which has `num_tokens`.
        `share`: what `shares` gives for every picture, where it is not drawn."""
        self.seed, self.pictures, self.num_tokens, self.share = seed, pictures, num_tokens, share
        self.picture, self.place = picture, place

    def uniform(self, stream: str, *shape: int) -> Float[Tensor, "N ..."]:
        """Numbers in [0, 1), `shape` of them a position. Other streams have other draws."""
        return self._blocks(stream, lambda generator: generator.random((self.num_tokens, *shape), dtype=np.float32))

    def normal(self, stream: str, *shape: int) -> Float[Tensor, "N ..."]:
        """Standard normal numbers, `shape` of them a position."""
        return self._blocks(stream, lambda generator: generator.standard_normal((self.num_tokens, *shape), dtype=np.float32))

    def shares(self, stream: str) -> Float[Tensor, "N"]:
        """A number in [0, 1) a picture, the same at all its places."""
        if self.share is not None:
            return torch.full_like(self.place, self.share, dtype=torch.float32)
        drawn = [rng(self.seed, *name, stream).random(dtype=np.float32) for name in self.pictures]
        return torch.tensor(drawn).to(self.place.device)[self.picture]

    def _blocks(self, stream: str, draw: Callable[[np.random.Generator], np.ndarray]) -> Tensor:
        blocks = np.stack([draw(rng(self.seed, *name, stream)) for name in self.pictures])
        return torch.from_numpy(blocks).to(self.place.device)[self.picture, self.place]
