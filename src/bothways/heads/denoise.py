"""`denoise`: the backbone itself takes noise off all tokens of a picture at once, which read each other.

One time a picture. A noised token enters through the projector of the tokens that are drawn, the time's embedding added to it;
one linear layer reads the prediction off its hidden state. How noise is put on, what is predicted and how one walks back are
those of the head `diffusion`. Held-out pictures are run through the backbone once at each of the fixed times; skill 0 is the
best linear denoiser that knows each place alone (gaussian.py), while this one sees all places: part of what it is above 0 is
what the tokens say of each other, whatever was asked.

Of a picture of which a part is kept, that part enters with as much noise on it as the rest has, at every step: training shows
no other pictures. Source: Lugmayr et al. 2022 (arXiv 2201.09865, equation 8), without its resampling, so the rest fits what is
kept less than it could; the noise is drawn once.

Source: Zhou et al. 2024, Transfusion (arXiv 2408.11039, sections 3.1 and 3.2), with its linear layers (its U-Net blocks cut
larger pictures down; ours are 8 x 8). Deviations: the form `flow` by default; a given picture's tokens enter as they are (there
with noise of less than half the time when a caption follows); the text loss has its own weight in the recipe.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bothways.core.spec import VisualSpec
from bothways.diffusion.adaln import zero
from bothways.diffusion.form import MOST
from bothways.heads.choose import How
from bothways.heads.configs import DenoiseConfig
from bothways.heads.draws import Draws
from bothways.heads.head import AbstractInPlaceHead, Look
from bothways.heads.noise_head import HELD_OUT_SHARES, NoiseHead


class DenoiseHead(NoiseHead, AbstractInPlaceHead):
    """The last layer, zero at first, of a diffusion model whose network is the backbone."""

    shares = HELD_OUT_SHARES

    def __init__(self, config: DenoiseConfig, spec: VisualSpec, width: int):
        super().__init__(config, spec)
        self.zero_prediction = zero(width, self.form.num_outputs(spec.dim))

    def corrupt(self, target: Float[Tensor, "N C"], draws: Draws) -> tuple[Float[Tensor, "N C"], Float[Tensor, "N"]]:
        noise, time = self._noise(draws)
        return self.form.noisy(target, noise, time), time

    def loss(
        self, hidden: Float[Tensor, "N D"], target: Float[Tensor, "N C"], place: Int[Tensor, "N"], draws: Draws
    ) -> Float[Tensor, "N"]:
        return self.form.loss(self.zero_prediction(hidden).float(), target, *self._noise(draws))

    def measured(
        self, hidden: Float[Tensor, "N D"], target: Float[Tensor, "N C"], place: Int[Tensor, "N"], draws: Draws
    ) -> Float[Tensor, "N"]:
        """The squared error alone."""
        return self.form.error(self.zero_prediction(hidden).float(), target, *self._noise(draws))

    def draw(
        self,
        look: Look,
        kept: Float[Tensor, "R N C"],
        known: Bool[Tensor, "R N"],
        how: How,
        rngs: Sequence[np.random.Generator],
    ) -> Float[Tensor, "R N C"]:
        """`guidance_ramp` linear: it grows from 1 in pure noise to `guidance` where the last of it goes."""
        rows, num, dim = kept.shape
        partly = known.any(1).tolist()
        of_kept = how.temperature * torch.stack(
            [_normal(rng, num, dim) if some else torch.zeros(num, dim) for rng, some in zip(rngs, partly, strict=True)]
        ).to(kept)

        def run(x: Tensor, time: float) -> Tensor:
            times = torch.full((rows * num,), time, device=x.device)
            there = self.form.noisy(kept.flatten(0, 1), of_kept.flatten(0, 1), times)
            own, plain = look(torch.where(known[..., None], there.view_as(kept), x.view_as(kept)), time)
            output = self.zero_prediction(own.flatten(0, 1)).float()
            if plain is None:
                return output
            return self.guided(output, self.zero_prediction(plain.flatten(0, 1)).float(), how.guidance_at(1 - times / MOST))

        drawn = self.walk(run, how, [rng for rng in rngs for _ in range(num)], kept.device)
        return torch.where(known[..., None], kept, drawn.view_as(kept))

    def _noise(self, draws: Draws) -> tuple[Float[Tensor, "N C"], Float[Tensor, "N"]]:
        return draws.normal("noise", self.spec.dim), self.form.time(draws.shares("time"))


def _normal(rng: np.random.Generator, num: int, dim: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal((num, dim), dtype=np.float32))
