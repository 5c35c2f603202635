"""`kl`: continuous tokens from a convolutional autoencoder whose latents are drawn towards a unit Gaussian.

Network: diffusers' `AutoencoderKL` (Rombach et al. 2022, arXiv 2112.10752). A token is the posterior's mean, not a draw from
it: tokens are then a function of the picture, so that encodings can be kept and arms of a study share them; the noise that
a draw would add is small and no model can predict it. Latents are standardised per channel by constants that lie with the
weights (MAR's 0.2325 is such a one, equal for all channels), then squares of `patchify` latents become one token.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of
from bothways.vision.kl_config import KLConfig
from bothways.vision.ldm_layout import from_ldm, is_ldm
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.weights import check_size, read_weights, weights_path


class KLTokenizer(AbstractTokenizer):
    """Tokens Float "B N D", standardised per channel, raster order; D = latent channels x patchify^2."""

    def __init__(self, config: KLConfig):
        super().__init__()
        self.config = config
        self.spec = config.spec
        self.network = _pretrained(config.pretrained) if config.pretrained else _fresh(config)
        mean, std = _constants(self.network.config)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        if config.weights is not None and not config.pretrained:
            self.load_weights(weights_path(config.weights))

    def posterior(self, pixels: Float[Tensor, "B 3 P P"]):
        """diffusers' diagonal Gaussian over raw latents "B C H W"."""
        return self.network.encode(F.pixel_unshuffle(pixels, self.config.stem_px)).latent_dist

    def paint(self, latents: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 3 P P"]:
        """Pixels (not clipped) from raw latents."""
        return F.pixel_shuffle(self.network.decode(latents).sample, self.config.stem_px)

    def encode(self, pixels: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B N D"]:
        latents = (self.posterior(pixels).mode() - _per_channel(self.mean)) / _per_channel(self.std)
        return F.pixel_unshuffle(latents, self.config.patchify).flatten(2).transpose(1, 2)

    def vectors(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        return tokens

    def decode(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B 3 P P"]:
        grid = tokens.transpose(1, 2).unflatten(2, self.spec.grid)
        latents = F.pixel_shuffle(grid, self.config.patchify)
        return self.paint(latents * _per_channel(self.std) + _per_channel(self.mean)).clamp(-1, 1)

    @torch.no_grad()
    def measure(self, pixels: Iterable[Tensor]) -> None:
        """Sets the constants so that each latent channel has mean 0 and variance 1 over these batches of pictures."""
        total, squares, count = torch.zeros_like(self.mean).double(), torch.zeros_like(self.mean).double(), 0
        for some in pixels:
            raw = self.posterior(some).mode().double().movedim(1, -1).flatten(0, 2)
            total += raw.sum(0)
            squares += raw.square().sum(0)
            count += len(raw)
        mean = total / count
        self.mean.copy_(mean)
        self.std.copy_((squares / count - mean.square()).clamp_min(1e-12).sqrt())

    def weights(self) -> dict[str, Tensor]:
        return self.state_dict()

    def load_weights(self, path: Path) -> None:
        """Load every tensor or stop. Raises: ConfigError when the file is missing or made for another shape or size."""
        check_size(path.with_suffix(".json"), self.config.size_px)
        saved = read_weights(path)
        module = self
        if is_ldm(set(saved)):
            saved, module = from_ldm(saved), self.network
        try:
            module.load_state_dict(saved)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip()
            raise ConfigError(f"The weights {path} were made for another kl tokenizer: {first}") from None


def _per_channel(constants: Float[Tensor, "C"]) -> Float[Tensor, "C 1 1"]:
    return constants[:, None, None]


def _constants(told) -> tuple[Float[Tensor, "C"], Float[Tensor, "C"]]:
    """Mean and standard deviation of raw latents, as diffusers' config tells them."""
    shape = (told.latent_channels,)
    mean = torch.zeros(shape) if told.latents_mean is None else torch.tensor(told.latents_mean).view(shape)
    std = torch.ones(shape) if told.latents_std is None else torch.tensor(told.latents_std).view(shape)
    return mean + (told.shift_factor or 0.0), std / told.scaling_factor


def _fresh(config: KLConfig) -> nn.Module:
    from diffusers import AutoencoderKL

    # Weights are named by the config, whatever was drawn before, and leave the global generator as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config.seed, "kl"))
        return AutoencoderKL(**config.network)


def _pretrained(folder: Path) -> nn.Module:
    from diffusers import AutoencoderKL

    try:
        network, told = AutoencoderKL.from_pretrained(
            folder, local_files_only=True, low_cpu_mem_usage=False, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"The folder {folder} cannot be loaded as an AutoencoderKL ({first}).") from None
    wrong = sorted([*told["missing_keys"], *told["unexpected_keys"]])
    if wrong:
        raise ConfigError(f"The weights in {folder} do not fit its config.json: `{wrong[0]}` is on one side only.")
    return network.float()
