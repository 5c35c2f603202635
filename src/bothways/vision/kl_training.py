"""How a `kl` tokenizer is trained: reconstruct pictures from draws of the posterior. It never sees a word or a label.

Source: Kingma and Welling 2014 (arXiv 1312.6114), with the small weight on the divergence of Rombach et al. 2022 (arXiv
2112.10752). Deviation: no adversarial and no perceptual loss, for the worlds are line drawings, scored by a reader and not
by eye; pixels count more where the picture changes, as for `vq`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.sample import AbstractPicture
from bothways.core.tally import Tally
from bothways.vision.kl import KLTokenizer
from bothways.vision.objective import AbstractObjective, batches_of, pixels_of
from bothways.vision.pixel_error import pixel_error
from bothways.vision.training_configs import KLTrainingConfig


@dataclass(frozen=True)
class NoisedBatch:
    """Pixels in [-1, 1] and the unit noise with which latents are drawn."""

    pixels: Float[Tensor, "B 3 P P"]
    noise: Float[Tensor, "B C H W"]

    @property
    def counts(self) -> dict[str, int]:
        return {"reconstruct": len(self.pixels), "divergence": len(self.pixels)}

    @property
    def num_samples(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device | str) -> NoisedBatch:
        return NoisedBatch(self.pixels.to(device), self.noise.to(device))


class KLTraining(AbstractObjective):
    """A tokenizer with what its training needs; offers `terms(batch)` to the trainer."""

    def __init__(self, tokenizer: KLTokenizer, config: KLTrainingConfig):
        super().__init__()
        self.tokenizer = tokenizer.requires_grad_(True).train()
        self.config = config

    def batch(self, pictures: list[AbstractPicture], draws: np.random.Generator) -> NoisedBatch:
        side = self.tokenizer.spec.grid[0] * self.tokenizer.config.patchify
        shape = (len(pictures), len(self.tokenizer.mean), side, side)
        noise = torch.from_numpy(draws.standard_normal(shape, dtype=np.float32))
        return NoisedBatch(pixels_of(pictures, self.tokenizer.spec.size_px), noise)

    def terms(self, batch: NoisedBatch) -> dict[str, Tally]:
        """Sums over pictures: `reconstruct` (weighted error, mean over pixels) and `divergence` (mean over latents)."""
        posterior = self.tokenizer.posterior(batch.pixels)
        painted = self.tokenizer.paint(posterior.mean + posterior.std * batch.noise)
        reconstruct = pixel_error(painted, batch.pixels, self.config.edge_weight, self.config.square_weight)
        divergence = posterior.kl().sum() / posterior.mean[0].numel()
        n = len(batch.pixels)
        return {"reconstruct": Tally(reconstruct, n), "divergence": Tally(self.config.kl_weight * divergence, n)}

    def finish(self, pictures: list[AbstractPicture]) -> None:
        self.tokenizer.measure(batches_of(pictures, self.tokenizer.spec.size_px))
