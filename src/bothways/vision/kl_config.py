"""Config of the `kl` tokenizer: shape of the autoencoder, standardisation, where the weights lie. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from bothways.core.disk import read_json
from bothways.core.errors import ConfigError, RunError
from bothways.core.spec import Continuous, VisualSpec
from bothways.vision.configs import TokenizerConfig

if TYPE_CHECKING:
    from bothways.vision.tokenizer import AbstractTokenizer


class KLConfig(TokenizerConfig):
    """An AutoencoderKL of diffusers. Where `weights` is a folder, its config.json says the shape; those fields are not read.

    MAR's KL-16: channels (128, 128, 256, 256, 512), num_res_blocks 2, latent_channels 16, norm_groups 32, unshuffle 1,
    attention true, scaling_factor 0.2325, weights its file (layout of LDM) as safetensors.
    """

    kind: Literal["kl"] = "kl"
    size_px: int = Field(64, gt=0)  # side of the picture, pixels
    unshuffle: int = Field(
        2, gt=0
    )  # squares of this side, pixels, become channels before the network (cheap on a CPU); 1: none
    channels: tuple[int, ...] = (32, 64, 128)  # one entry a resolution; each further entry halves the grid
    num_res_blocks: int = Field(1, gt=0)  # residual blocks a resolution in the encoder (one more in the decoder)
    latent_channels: int = Field(8, gt=0)  # channels of a latent
    norm_groups: int = Field(8, gt=0)  # groups of the group norms; divides every entry of `channels`
    attention: bool = False  # attention in the blocks of the smallest grid too, beside the one in the middle
    patchify: int = Field(1, gt=0)  # squares of this side, latents, are folded into one token
    scaling_factor: float = Field(1.0, gt=0)  # latents times this have unit scale, for weights without measured constants
    weights: str | None = None  # `asset:NAME`, a safetensors file (ours or LDM's), a folder of diffusers, or null for random
    seed: int = 0  # names the random weights

    @model_validator(mode="after")
    def _groups_fit(self) -> KLConfig:
        if not self.channels or any(count < 1 or count % self.norm_groups for count in self.channels):
            raise ValueError(
                f"found channels {self.channels}; expected one or more multiples of norm_groups={self.norm_groups}"
            )
        return self

    @property
    def pretrained(self) -> Path | None:
        """The folder with the pretrained autoencoder, if `weights` is one."""
        folder = Path(self.weights) if self.weights and not self.weights.startswith("asset:") else None
        return folder if folder and folder.is_dir() else None

    @property
    def network(self) -> dict[str, Any]:
        """The fields of diffusers' config. Raises: ConfigError when the pretrained folder holds no AutoencoderKL."""
        if self.pretrained is not None:
            return _told(self.pretrained)
        plain = len(self.channels) - 1
        last = "Attn" if self.attention else ""
        return {
            "in_channels": 3 * self.unshuffle**2,
            "out_channels": 3 * self.unshuffle**2,
            "block_out_channels": self.channels,
            "down_block_types": ("DownEncoderBlock2D",) * plain + (f"{last}DownEncoderBlock2D",),
            "up_block_types": (f"{last}UpDecoderBlock2D",) + ("UpDecoderBlock2D",) * plain,
            "layers_per_block": self.num_res_blocks,
            "latent_channels": self.latent_channels,
            "norm_num_groups": self.norm_groups,
            "scaling_factor": self.scaling_factor,
        }

    @property
    def stem_px(self) -> int:
        """Side of the squares that become channels: pretrained folders of three channels have none."""
        return 1 if self.pretrained is not None else self.unshuffle

    @property
    def spec(self) -> VisualSpec:
        told = self.network
        shrink = 2 ** (len(told["block_out_channels"]) - 1) * self.stem_px * self.patchify
        if self.size_px % shrink:
            below = max(self.size_px // shrink, 1) * shrink
            raise ConfigError(
                f"The kl tokenizer makes one token of {shrink} x {shrink} px, and {self.size_px} px is not a multiple of that; "
                f"choose size_px among {below}, {below + shrink}, {below + 2 * shrink}, ..."
            )
        side = self.size_px // shrink
        dim = told["latent_channels"] * self.patchify**2
        return VisualSpec("kl", Continuous(dim), (side, side), self.size_px, can_draw=True)

    def build(self) -> AbstractTokenizer:
        from bothways.vision.kl import KLTokenizer

        return KLTokenizer(self).requires_grad_(False).eval()


def _told(folder: Path) -> dict[str, Any]:
    try:
        told = read_json(folder / "config.json")
    except RunError as error:
        raise ConfigError(f"{error} Expected a folder saved by diffusers' AutoencoderKL.") from None
    if told.get("_class_name") != "AutoencoderKL" or told.get("in_channels", 3) != 3:
        raise ConfigError(
            f"The folder {folder} holds a `{told.get('_class_name')}` of {told.get('in_channels')} channels; expected an "
            "`AutoencoderKL` of pictures with 3 channels, saved by diffusers."
        )
    return {"block_out_channels": [64], "latent_channels": 4, "scaling_factor": 0.18215} | told  # diffusers' own defaults
