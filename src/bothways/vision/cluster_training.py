"""How `codes` are made: k-means over the tokens of pictures, all at once; no word, no label, no gradient.

Lloyd's iterations are scipy's. The start is k-means++ (Arthur and Vassilvitskii 2007), written here because scipy's measures
every token against all chosen ones anew for each further one: minutes where this takes seconds.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.core.sample import AbstractPicture
from bothways.vision.codes import CodesTokenizer
from bothways.vision.objective import AbstractFit, batches_of
from bothways.vision.training_configs import ClusterConfig


class Clustering(AbstractFit):
    """The codes with nothing else: there is nothing to train."""

    def __init__(self, tokenizer: CodesTokenizer, config: ClusterConfig):
        super().__init__()
        self.tokenizer, self.config = tokenizer, config

    @torch.no_grad()
    def finish(self, pictures: list[AbstractPicture]) -> None:
        parts = batches_of(pictures, self.tokenizer.spec.size_px)
        tokens = torch.cat([self.tokenizer.of.encode(part) for part in parts]).flatten(0, 1).numpy()
        found = k_means(tokens, len(self.tokenizer.codebook), self.config.num_iterations, self.config.seed)
        self.tokenizer.codebook.copy_(torch.from_numpy(found))


def k_means(tokens: Float[np.ndarray, "M D"], num_codes: int, num_iterations: int, seed: int) -> Float[np.ndarray, "V D"]:
    """Means of `num_codes` groups of tokens after that many of Lloyd's iterations from a k-means++ start.

    Raises: ConfigError when there are fewer different tokens than codes.
    """
    from scipy.cluster.vq import kmeans2

    start = spread(tokens, num_codes, seed)
    means, _ = kmeans2(tokens, start, iter=num_iterations, minit="matrix", missing="raise")  # every group begins with a token
    return means.astype(np.float32)


def spread(tokens: Float[np.ndarray, "M D"], num: int, seed: int) -> Float[np.ndarray, "V D"]:
    """k-means++: tokens drawn one after the other, each in proportion to its squared distance from those drawn before."""
    draws = rng(seed, "k-means++")
    chosen = [tokens[draws.integers(len(tokens))]]
    nearest = np.full(len(tokens), np.inf, dtype=tokens.dtype)
    while len(chosen) < num:
        np.minimum(nearest, np.square(tokens - chosen[-1]).sum(1), out=nearest)
        total = nearest.cumsum(dtype=np.float64)
        if total[-1] == 0:
            raise ConfigError(
                f"Found {len(chosen)} different tokens, too few for {num} codes; ask for fewer, or show other pictures."
            )
        chosen.append(tokens[np.searchsorted(total, draws.random() * total[-1], side="right")])
    return np.stack(chosen)
