"""How a masked painter is trained: latents of pictures, most of them hidden, from the frozen tokenizer's tokens.

The share of hidden latents is drawn from a Gaussian of mean 1 cut to [0.7, 1], the times of a token's draws are spread evenly,
and now and then the tokens are not told, for guidance. It sees no word and no label. Tokens get noise as for the direct one.

Source: Li et al. 2024, MAR (arXiv 2406.11838), section 4.3 and its code (mean 1, standard deviation 0.25, at least 0.7; dropped
with probability 0.1); we take it to be what UniHetero (arXiv 2512.23512) calls Gaussian masking probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bothways.core.sample import AbstractPicture
from bothways.core.tally import Tally
from bothways.vision.objective import AbstractObjective, pixels_of
from bothways.vision.painter_training import noisy_vectors, publish_painter
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.training_configs import PaintLatentsConfig


@dataclass(frozen=True)
class LatentsBatch:
    """The tokens of pictures, their latents, which are not told and not shown, and the draws of the denoiser."""

    tokens: Float[Tensor, "B M D"]
    dropped: Bool[Tensor, "B"]
    latents: Float[Tensor, "B N C"]
    hidden: Bool[Tensor, "B N"]
    share: Float[Tensor, "B N K"]
    noise: Float[Tensor, "B N K C"]

    @property
    def counts(self) -> dict[str, int]:
        return {"denoise": int(self.hidden.sum())}

    @property
    def num_samples(self) -> int:
        return len(self.tokens)

    def to(self, device: torch.device | str) -> LatentsBatch:
        return LatentsBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


class LatentPainterTraining(AbstractObjective):
    """A masked painter beside the frozen tokenizer whose tokens it paints."""

    def __init__(self, tokenizer: AbstractTokenizer, config: PaintLatentsConfig):
        super().__init__()
        self._tokenizer = (tokenizer,)  # kept out of the module: checkpoints hold what is trained
        self.config = config
        config.painter.to_file()  # refuse what no file can hold before an hour of training
        self.painter = config.painter.build(tokenizer.spec)

    @property
    def tokenizer(self) -> AbstractTokenizer:
        return self._tokenizer[0]

    @torch.no_grad()
    def batch(self, pictures: list[AbstractPicture], draws: np.random.Generator) -> LatentsBatch:
        pixels = pixels_of(pictures, self.tokenizer.spec.size_px)
        latents, config = self.painter.latents.encode(pixels), self.config
        num, places, dim = latents.shape
        num_draws = config.painter.denoiser.draws_per_token
        tokens = noisy_vectors(self.tokenizer, pixels, config.token_noise, draws)
        hidden = draws.random((num, places)).argsort(1).argsort(1) < self._num_hidden(draws.random(num), places)[:, None]
        dropped = draws.random(num) < config.drop_share
        share = (np.arange(num_draws) + draws.random((num, places, num_draws), dtype=np.float32)) / num_draws
        noise = draws.standard_normal((num, places, num_draws, dim), dtype=np.float32)
        drawn = (torch.from_numpy(array) for array in (dropped, hidden, share.astype(np.float32), noise))
        dropped, hidden, share, noise = drawn
        return LatentsBatch(tokens, dropped, latents, hidden, share, noise)

    def _num_hidden(self, uniform: Float[np.ndarray, "B"], num_places: int) -> Int[np.ndarray, "B"]:
        """How many of the places are hidden, for each number in [0, 1); at least one."""
        shares = [hidden_share(u, self.config.mask_mean, self.config.mask_std, self.config.least_hidden) for u in uniform]
        return np.array([math.ceil(share * num_places) for share in shares])

    def terms(self, batch: LatentsBatch) -> dict[str, Tally]:
        """`denoise`: the diffusion loss of hidden latents, summed over them."""
        states = self.painter.states(batch.tokens, batch.dropped, batch.latents, batch.hidden)
        at = batch.hidden
        losses = self.painter.losses(states[at], batch.latents[at], batch.share[at], batch.noise[at])
        return {"denoise": Tally(losses.sum(), len(losses))}

    def publish(self, path: Path) -> AbstractTokenizer:
        return publish_painter(self.painter, path, self.tokenizer)


def hidden_share(uniform: float, mean: float, std: float, least: float) -> float:
    """The quantile of `uniform` in [0, 1) of that Gaussian, cut to [least, 1]."""
    gaussian = NormalDist(mean, std)
    low, high = gaussian.cdf(least), gaussian.cdf(1.0)
    return min(1.0, max(least, gaussian.inv_cdf(low + (high - low) * uniform)))
