"""How a `vq` tokenizer is trained: reconstruct pictures through the codebook. It never sees a word or a label.

Straight-through quantiser with unit-length latents and codes (LlamaGen), commitment loss, codes moved by an exponential
mean of their latents (van den Oord et al. 2017, appendix A.1), unused codes restarted at latents of the current step.
Deviations: (1) the first `plain_steps` train without quantising, then the codebook is drawn from latents: on a budget of
minutes this saves the phase in which a random codebook feeds the decoder noise; (2) no adversarial and no perceptual loss:
the worlds are line drawings, scored by a reader and not by eye; (3) pixels count more where the picture changes
(`edge_weight`), because thin hands are few pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from bothways.core.randomness import seed_of
from bothways.core.sample import AbstractPicture
from bothways.core.tally import Tally
from bothways.vision.objective import AbstractObjective, pixels_of
from bothways.vision.pixel_error import pixel_error
from bothways.vision.training_configs import VQTrainingConfig
from bothways.vision.vq import VQTokenizer


@dataclass(frozen=True)
class PictureBatch:
    """Pixels in [-1, 1] and the counts that the trainer divides by (pictures)."""

    pixels: Float[Tensor, "B 3 P P"]

    @property
    def counts(self) -> dict[str, int]:
        return {"reconstruct": len(self.pixels), "commit": len(self.pixels)}

    @property
    def num_samples(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device | str) -> PictureBatch:
        return PictureBatch(self.pixels.to(device))


class VQTraining(AbstractObjective):
    """A tokenizer with what its training needs; offers `terms(batch)` to the trainer."""

    def __init__(self, tokenizer: VQTokenizer, config: VQTrainingConfig):
        super().__init__()
        self.tokenizer = tokenizer.requires_grad_(True).train()
        tokenizer.codebook.requires_grad_(False)  # moved by the exponential mean instead
        self.config = config
        codes = len(tokenizer.codebook)
        self.register_buffer("usage", torch.ones(codes) / codes)
        self.register_buffer("sums", tokenizer.codebook.detach().clone() / codes)
        self.step = 0
        self._latents: Tensor | None = None

    def batch(self, pictures: list[AbstractPicture], draws: np.random.Generator) -> PictureBatch:
        return PictureBatch(pixels_of(pictures, self.tokenizer.spec.size_px))

    def before_step(self, step: int) -> None:
        self.step = step

    def terms(self, batch: PictureBatch) -> dict[str, Tally]:
        """Sums over pictures: `reconstruct` (weighted absolute + squared error, mean over pixels) and `commit`."""
        latents = self.tokenizer.latents(batch.pixels)
        self._latents = latents.detach()
        if self.step < self.config.plain_steps:
            codes, commit = latents, latents.new_zeros(())
        else:
            nearest = self.tokenizer.vectors(self.tokenizer.nearest(latents.detach()))
            codes = latents + (nearest - latents).detach()
            commit = (latents - nearest).square().sum(-1).mean(-1).sum()
        painted = self.tokenizer.paint(codes)
        reconstruct = pixel_error(painted, batch.pixels, self.config.edge_weight, self.config.square_weight)
        n = len(batch.pixels)
        return {"reconstruct": Tally(reconstruct, n), "commit": Tally(self.config.commitment * commit, n)}

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the codes to the mean of their latents; restart unused ones."""
        latents = self._latents.flatten(0, 1)
        generator = torch.Generator().manual_seed(seed_of(self.config.seed, "codes", step))
        if step < self.config.plain_steps - 1:
            return
        if step == self.config.plain_steps - 1:
            picked = torch.randperm(len(latents), generator=generator)[: len(self.usage)]
            self._place(torch.arange(len(picked)), latents[picked])
            return
        self._follow(latents, self.tokenizer.nearest(latents))
        if step % self.config.restart_every_steps == 0:
            unused = (self.usage < self.config.restart_below / len(self.usage)).nonzero()[:, 0]
            picked = torch.randperm(len(latents), generator=generator)[: len(unused)]
            self._place(unused[: len(picked)], latents[picked])

    def _follow(self, latents: Float[Tensor, "M D"], nearest: Int[Tensor, "M"]) -> None:
        chosen = F.one_hot(nearest, len(self.usage)).to(latents.dtype)
        decay = self.config.codebook_decay
        self.usage.lerp_(chosen.mean(0), 1 - decay)
        self.sums.lerp_(chosen.T @ latents / len(latents), 1 - decay)
        self.tokenizer.codebook.data.copy_(F.normalize(self.sums, dim=-1))

    def _place(self, which: Int[Tensor, "K"], latents: Float[Tensor, "K D"]) -> None:
        even = 1.0 / len(self.usage)
        self.usage[which] = even
        self.sums[which] = latents * even
        self.tokenizer.codebook.data[which] = latents


def codebook_use(tokens: Int[Tensor, "*shape"], num_codes: int) -> dict[str, float]:
    """Share of codes that occur, and perplexity exp(entropy) of their distribution (1 to num_codes)."""
    share = torch.bincount(tokens.flatten(), minlength=num_codes).double() / tokens.numel()
    entropy = -(share * share.clamp_min(1e-12).log()).sum().item()
    return {"share_used": (share > 0).double().mean().item(), "perplexity": math.exp(entropy)}
