"""`masked`: a painter that draws the latents of another tokenizer, a few at a time, each by diffusion, from tokens.

The tokens and the latents, some of them hidden, stand side by side in one transformer that reads in all directions; from what
it makes of a hidden place a small denoiser draws that place's latent. So what the tokens leave open is drawn and not averaged.
It lies outside of every model: its gradient reaches none.

Source: Li et al. 2024, MAR (arXiv 2406.11838), sections 3.4 and 4 and its code: iterative decoding in random order on a cosine,
diffusion a token, guidance that grows linearly. UniHetero (arXiv 2512.23512) has a painter on MAR's latents outside of its
language model; its shape is not published. Deviations: (1) one transformer of `num_layers` for all places, where MAR's encoder
leaves hidden ones out; (2) places are fixed waves in the picture's own coordinates, so that tokens and latents of one place
agree from the first step, whatever their grids; (3) a latent is told the token of its own place directly too: left to attention
alone, a nano painter knew colours and no place after 700 steps; (4) all pictures are painted in one order with one noise, named
by a seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng, seed_of
from bothways.core.spec import VisualSpec
from bothways.diffusion.adaln import AdaLNMLP
from bothways.diffusion.denoiser import FORMS, draw, mean_over_draws, row_noise
from bothways.layout.order import places, tokens_per_step
from bothways.vision.painter import AbstractPainter
from bothways.vision.painter_configs import MaskedPainterConfig
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.weights import mark_of

LATENTS, MARK = "latents.", "latents_mark"  # in its file: weights of latents, or what the shipped ones are known again by


class MaskedPainter(AbstractPainter):
    """Tokens Float "B N D" in raster order to pixels Float "B 3 P P"."""

    def __init__(self, config: MaskedPainterConfig, spec: VisualSpec, latents: AbstractTokenizer | None = None):
        """`latents`: the tokenizer that `config.latents` describes, where there is one already."""
        super().__init__()
        self.config = config
        self._latents = (latents or config.latents.build(),)  # frozen, so kept out of the weights that are trained and saved
        drawn, width = self.latents.spec, config.width
        _check(spec, drawn)
        self.num, self.dim = drawn.num_tokens, drawn.dim
        self.form = FORMS[config.denoiser.form]()
        # Weights are named by the config, whatever was drawn before, and leave the global generator as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "masked painter"))
            self.told, self.drawn = nn.Linear(spec.dim, width), nn.Linear(self.dim, width)
            self.nothing, self.hidden = (nn.Parameter(0.02 * torch.randn(width)) for _ in range(2))
            self.kinds = nn.Parameter(0.02 * torch.randn(2, width))
            self.transformer = _transformer(config)
            self.norm = nn.LayerNorm(width)
            self.asked = nn.Parameter(0.02 * torch.randn(self.num, width))
            outputs = self.form.num_outputs(self.dim)
            self.network = AdaLNMLP(self.dim, outputs, width, config.denoiser.width, config.denoiser.num_blocks)
        self.register_buffer("told_places", waves_of(spec.grid, width), persistent=False)
        self.register_buffer("drawn_places", waves_of(drawn.grid, width), persistent=False)
        self.register_buffer("cells", cells_of(drawn.grid, spec.grid), persistent=False)

    @property
    def latents(self) -> AbstractTokenizer:
        """What it draws, and their way to pixels."""
        return self._latents[0]

    def states(
        self,
        tokens: Float[Tensor, "B M D"],
        dropped: Bool[Tensor, "B"],
        latents: Float[Tensor, "B N C"],
        hidden: Bool[Tensor, "B N"],
    ) -> Float[Tensor, "B N W"]:
        """What is known of each place's latent. Tokens where `dropped` and latents where `hidden` are not told."""
        told = torch.where(dropped[:, None, None], self.nothing, self.told(tokens))
        drawn = torch.where(hidden[..., None], self.hidden, self.drawn(latents)) + told[:, self.cells]
        everything = torch.cat([told + self.told_places + self.kinds[0], drawn + self.drawn_places + self.kinds[1]], 1)
        known = self.transformer(inputs_embeds=everything).last_hidden_state
        return self.norm(known[:, -self.num :]) + self.asked

    def losses(
        self,
        states: Float[Tensor, "R W"],
        latents: Float[Tensor, "R C"],
        share: Float[Tensor, "R K"],
        noise: Float[Tensor, "R K C"],
    ) -> Float[Tensor, "R"]:
        """Loss of the latents of R hidden places, mean over K times, which `share` in [0, 1) names, and noises."""
        return mean_over_draws(self.form.loss, self.form, self.network, states, latents, share, noise)

    def forward(self, tokens: Float[Tensor, "B M D"]) -> Float[Tensor, "B 3 P P"]:
        return self.latents.decode(self.draw(tokens))

    @torch.no_grad()
    def draw(self, tokens: Float[Tensor, "B M D"]) -> Float[Tensor, "B N C"]:
        """Latents, drawn as `config.painting` says."""
        how, num_pictures = self.config.painting, len(tokens)
        latents = tokens.new_zeros(num_pictures, self.num, self.dim)
        hidden = torch.ones(num_pictures, self.num, dtype=torch.bool, device=tokens.device)
        told, untold = (torch.full((num_pictures,), dropped, device=tokens.device) for dropped in (False, True))
        order = torch.tensor(places(self.num, "random", how.seed, "painter"), device=tokens.device)
        counts = tokens_per_step(self.num, how.num_iterations)
        for now in order.split(counts):
            known = self.states(tokens, told, latents, hidden)[:, now].flatten(0, 1)
            plain = None
            if how.guidance != 1:
                plain = self.states(tokens, untold, latents, hidden)[:, now].flatten(0, 1)
            hidden[:, now] = False
            scale = 1 + (how.guidance - 1) * float((~hidden[0]).float().mean())
            noise = self._noise(now, num_pictures)
            found = draw(self.config.denoiser, self.form, self.network, known, plain, scale, noise, how)
            latents[:, now] = found.unflatten(0, (num_pictures, len(now)))
        return latents

    def _noise(self, now: Tensor, num_pictures: int) -> Iterator[Tensor]:
        """Draws without end for these places, the same for every picture."""
        how = self.config.painting
        rngs = [rng(how.seed, "painter", "noise", place) for place in now.tolist()]
        for rows in row_noise(rngs, self.dim, how.temperature, now.device):
            yield rows.repeat(num_pictures, 1)

    def weights(self) -> dict[str, Tensor]:
        """Its own, and those of latents that do not ship (else a mark of them)."""
        carries = self.config.carries_latents
        return self.state_dict() | (self.latents.state_dict(prefix=LATENTS) if carries else {MARK: mark_of(self.latents)})

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        own = {name: tensor for name, tensor in weights.items() if name != MARK and not name.startswith(LATENTS)}
        if self.config.carries_latents:
            self.latents.load_state_dict({n.removeprefix(LATENTS): t for n, t in weights.items() if n.startswith(LATENTS)})
        else:
            found = weights.get(MARK)
            if found is None or not torch.equal(found, mark_of(self.latents)):
                raise ConfigError(
                    f"The painter draws latents of a `{self.config.latents.kind}` tokenizer with other weights than "
                    f"{self.config.latents.files.get('weights')}, so it would paint noise; make it again with `bothways "
                    "train-tokenizer`."
                )
        self.load_state_dict(own)


def waves_of(grid: tuple[int, ...], width: int) -> Float[Tensor, "N W"]:
    """Cosines and sines of each cell's two coordinates, which lie in [0, 1] whatever the grid: width / 4 rates from half a
    period over the picture up to one over two cells of a 16 x 16 grid, evenly spaced in their logarithm."""
    rows, columns = (torch.arange(side).add(0.5).div(side) for side in grid)
    where = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)  # "N 2"
    rates = math.pi * torch.logspace(0, 4, width // 4, base=2.0)
    angles = (where[..., None] * rates).flatten(1)
    return torch.cat([angles.cos(), angles.sin()], -1)


def cells_of(grid: tuple[int, ...], among: tuple[int, ...]) -> Int[Tensor, "N"]:
    """For each cell of a grid the cell of another one, raster index, in which its middle lies."""
    rows, columns = (torch.arange(side).add(0.5).div(side).mul(other).long() for side, other in zip(grid, among, strict=True))
    return (rows[:, None] * among[1] + columns).flatten()


def _transformer(config: MaskedPainterConfig) -> nn.Module:
    """SigLIP's encoder without the pictures: layers that normalise first and read in all directions."""
    from transformers import SiglipVisionConfig
    from transformers.models.siglip.modeling_siglip import SiglipEncoder

    shape = SiglipVisionConfig(
        hidden_size=config.width,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        intermediate_size=config.width * config.mlp_ratio,
        attn_implementation="eager",  # faster than sdpa in bf16 backward on a CPU
    )
    return SiglipEncoder(shape)


def _check(told: VisualSpec, drawn: VisualSpec) -> None:
    if len(told.grid) != 2 or told.size_px != drawn.size_px:
        raise ConfigError(
            f"A masked painter of {drawn.size_px} px latents takes tokens on two axes, of pictures of that size; found "
            f"`{told.kind}` tokens on {told.grid} and {told.size_px} px."
        )
