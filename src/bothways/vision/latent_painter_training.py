"""How a masked painter is trained: latents of pictures, most of them hidden, from the frozen tokenizer's tokens.

How many are hidden: hiding.py. The times of a token's draws are spread evenly, and now and then the tokens are not told, for
guidance (MAR, arXiv 2406.11838: with probability 0.1). It sees no word and no label. Tokens get noise as for the direct one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bothways.core.sample import AbstractPicture
from bothways.core.tally import Tally
from bothways.vision.hiding import num_hidden
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
        ranks = draws.random((num, places)).argsort(1).argsort(1)
        hidden = ranks < num_hidden(config, draws.random(num), places)[:, None]
        dropped = draws.random(num) < config.drop_share
        share = (np.arange(num_draws) + draws.random((num, places, num_draws), dtype=np.float32)) / num_draws
        noise = draws.standard_normal((num, places, num_draws, dim), dtype=np.float32)
        drawn = (torch.from_numpy(array) for array in (dropped, hidden, share.astype(np.float32), noise))
        dropped, hidden, share, noise = drawn
        return LatentsBatch(tokens, dropped, latents, hidden, share, noise)

    def terms(self, batch: LatentsBatch) -> dict[str, Tally]:
        """`denoise`: the diffusion loss of hidden latents, summed over them."""
        states = self.painter.states(batch.tokens, batch.dropped, batch.latents, batch.hidden)
        at = batch.hidden
        losses = self.painter.losses(states[at], batch.latents[at], batch.share[at], batch.noise[at])
        return {"denoise": Tally(losses.sum(), len(losses))}

    def publish(self, path: Path) -> AbstractTokenizer:
        return publish_painter(self.painter, path, self.tokenizer)
