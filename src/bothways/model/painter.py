"""A painter beside the backbone: it learns in the same run to paint what the head predicts, behind a gate of its own.

In training the head predicts each token of a picture after the true ones before it; the painter is told all of these
predictions, and of the picture's latents those that are not hidden. When the model draws, it is told what was drawn. A closed
gate (0) keeps its loss from head, backbone and projectors: pixels outside of the backbone. An open one (1) is a pixel loss
through it. `model.gate` is another, that of the image losses, so semantics and pixels are two switches.

Source: UniHetero (arXiv 2512.23512) predicts semantic embeddings in the language model, has pixels made of them by a decoder
outside of it, and compares that with a pixel loss which reaches the language model. Whether its decoder learns from true or
from predicted embeddings is not published. Ours are predicted ones: they are what is painted when the model draws, and only
through them is there a way to the backbone for the gate to close. Another deviation: the loss is a mean over the hidden latents
of a picture and then over pictures, MAR's over all hidden latents; so its count follows from the layout.
"""

from __future__ import annotations

from collections import Counter

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.core.spec import VisualSpec
from bothways.heads.diffusion import denoiser_passes
from bothways.heads.draws import Draws
from bothways.heads.head import Pass
from bothways.layout.batch import Batch
from bothways.model.config import JointPainterConfig
from bothways.vision.cache import EncodingCache
from bothways.vision.hiding import mean_hidden, num_hidden
from bothways.vision.tokenizer import AbstractTokenizer

TERM = "painter"  # of its loss: `SOURCE:painter`, counted in pictures


class JointPainter(nn.Module):
    """What the head predicts, Float "B M C" in raster order, to pixels Float "B 3 P P", not clipped."""

    def __init__(self, config: JointPainterConfig, spec: VisualSpec, latents: AbstractTokenizer):
        """`spec`: of what the head predicts; `latents`: the tokenizer that `config.masked.latents` describes."""
        super().__init__()
        self.config, self.spec = config, spec
        self.masked = config.masked.build(spec, latents)

    def forward(self, predicted: Float[Tensor, "B M C"]) -> Float[Tensor, "B 3 P P"]:
        return self.masked(predicted)

    @property
    def painter(self) -> nn.Module:
        """Where a tokenizer has its own, so that one name leads to what paints."""
        return self.masked

    def losses(
        self,
        batch: Batch,
        predicted: Float[Tensor, "R C"],
        at: Int[Tensor, "R"],
        seed: int,
        step: int,
    ) -> tuple[Int[Tensor, "P"], Float[Tensor, "P"]]:
        """Of each picture that is to be drawn its row in the batch, and the mean diffusion loss of its hidden latents.
        `predicted[r]` is what the head predicts for the position `at[r]`, counted through all rows."""
        rows, targets = batch.targets()
        latents, names = batch.latents, [batch.names[index] for index in targets.tolist()]
        num, places, dim = latents.shape
        which, place = torch.searchsorted(targets.contiguous(), batch.picture.flatten()[at]), batch.place.flatten()[at]
        told = predicted.new_zeros(num, self.spec.num_tokens, predicted.shape[1]).index_put((which, place), predicted)
        every = torch.arange(num * places, device=latents.device)
        draws = Draws(seed, [(TERM, step, *name) for name in names], every // places, every % places, places)
        hidden = self._hidden(draws, num, places)
        dropped = draws.shares("dropped").view(num, places)[:, 0] < self.config.drop_share
        states = self.masked.states(told, dropped, latents, hidden)
        times = self.masked.config.denoiser.draws_per_token
        share = (torch.arange(times, device=latents.device) + draws.uniform("time", times)) / times
        noise, at = draws.normal("noise", times, dim), hidden.flatten()
        found = self.masked.losses(states[hidden], latents[hidden], share[at], noise[at])
        return rows, latents.new_zeros(num).index_add(0, hidden.nonzero()[:, 0], found) / hidden.sum(1)

    def _hidden(self, draws: Draws, num: int, places: int) -> Tensor:
        """bool (B, N): which latents are not told."""
        ranks = draws.uniform("hidden").view(num, places).argsort(1).argsort(1)
        share = draws.shares("share hidden").view(num, places)[:, 0]
        counts = torch.from_numpy(num_hidden(self.config, share.cpu().numpy(), places)).to(ranks.device)
        return ranks < counts[:, None]

    def passes(self) -> list[Pass]:
        """The way of a picture through it in a training loss, attention's products left out, for the ledger of operations."""
        masked = self.masked
        told, drawn = self.spec.num_tokens, masked.num
        denoised = denoiser_passes(masked.network, masked.config.denoiser.draws_per_token, mean_hidden(self.config, drawn))
        return [
            Pass([masked.told], told),
            Pass([masked.drawn], drawn, behind_hidden=False),
            Pass([masked.transformer], told + drawn),
            *denoised,
        ]


def attach_latents(batch: Batch, cache: EncodingCache) -> None:
    """Adds to a batch the latents of the pictures that are to be drawn in it, and their number by `SOURCE:painter`."""
    rows, at = batch.targets()
    if not len(at):
        return
    pictures = batch.pictures(learn=True)
    batch.latents = cache.tokens([pictures[index] for index in at.tolist()]).to(batch.ids.device)
    batch.counts |= Counter(f"{batch.sources[row]}:{TERM}" for row in rows.tolist())
