"""`vq`: discrete tokens from a convolutional autoencoder with a codebook.

Network: transformers' `JanusVQVAE` (LlamaGen's VQ-16, Sun et al. 2024, arXiv 2406.06525). Deviations: (1) it sees squares of
pixels as channels (`stem_px`), which costs a third at the same grid, most of the work being at full resolution; (2) its own
quantiser cannot be trained (no reconstruction gradient reaches the encoder) and matches unnormalised latents although it
decodes normalised codes; here latents and codes are both of unit length, as LlamaGen describes, and the codebook is stored at
unit length so that the network's own encode and decode agree with ours (`tests/equivalence/test_vq.py`).
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of
from bothways.vision.configs import VQConfig
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.weights import check_size, read_weights, weights_path


class VQTokenizer(AbstractTokenizer):
    """Tokens Long "B N" in [0, num_codes), raster order."""

    def __init__(self, config: VQConfig):
        super().__init__()
        self.config = config
        self.spec = config.spec
        self.network = _network(config)
        if config.weights is not None:
            self.load_weights(weights_path(config.weights))

    @property
    def codebook(self) -> Float[Tensor, "V D"]:
        """Unit-length codes."""
        return self.network.quantize.embedding.weight

    def latents(self, pixels: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B N D"]:
        """Unit-length latents before quantising, raster order."""
        grid = self.network.quant_conv(self.network.encoder(F.pixel_unshuffle(pixels, self.config.stem_px)))
        return F.normalize(grid.float().flatten(2).transpose(1, 2), dim=-1)

    def nearest(self, latents: Float[Tensor, "*shape D"]) -> Int[Tensor, "*shape"]:
        """Index of the closest code; for unit vectors the closest is the one with the largest inner product."""
        with torch.autocast(latents.device.type, enabled=False):  # bf16 cannot tell neighbouring codes apart
            return (latents @ self.codebook.T).argmax(-1)

    def paint(self, vectors: Float[Tensor, "B N D"]) -> Float[Tensor, "B 3 P P"]:
        """Pixels (not clipped) from unit-length vectors."""
        side = self.config.grid_side
        grid = vectors.transpose(1, 2).unflatten(2, (side, side))
        return F.pixel_shuffle(self.network.decoder(self.network.post_quant_conv(grid)), self.config.stem_px)

    def encode(self, pixels: Float[Tensor, "B 3 P P"]) -> Int[Tensor, "B N"]:
        return self.nearest(self.latents(pixels))

    def vectors(self, tokens: Int[Tensor, "B N"]) -> Float[Tensor, "B N D"]:
        return F.embedding(tokens, self.codebook)

    def decode(self, tokens: Int[Tensor, "B N"]) -> Float[Tensor, "B 3 P P"]:
        return self.paint(self.vectors(tokens)).clamp(-1, 1)

    def weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def load_weights(self, path: Path) -> None:
        """Load every tensor or stop. Raises: ConfigError when the file is missing or made for another shape or size."""
        check_size(path.with_suffix(".json"), self.config.size_px)
        saved = read_weights(path)
        try:
            self.network.load_state_dict(saved)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip()
            raise ConfigError(f"The weights {path} were made for another tokenizer: {first}") from None
        # fp16 storage rounds the codes; matching needs them at unit length again.
        self.codebook.data = F.normalize(self.codebook.data, dim=-1)


def _network(config: VQConfig) -> nn.Module:
    from transformers import JanusVQVAE, JanusVQVAEConfig

    # Weights are named by the config, whatever was drawn before, and leave the global generator as it was.
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(seed_of(config.seed, "vq"))
        network = JanusVQVAE(
            JanusVQVAEConfig(
                embed_dim=config.code_dim,
                num_embeddings=config.num_codes,
                latent_channels=config.latent_channels,
                base_channels=config.base_channels,
                channel_multiplier=list(config.channel_multiplier),
                num_res_blocks=config.num_res_blocks,
                num_patches=config.grid_side,
                in_channels=3 * config.stem_px**2,
                out_channels=3 * config.stem_px**2,
                dropout=0.0,
            )
        )
        codebook = network.quantize.embedding.weight
        codebook.data = F.normalize(torch.randn_like(codebook), dim=-1)
    return network
