"""Configs of the visual tokenizers. No torch here: recipes are read, compared and refused without it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from bothways.core.config import Config, part
from bothways.core.errors import ConfigError
from bothways.core.spec import Continuous, Discrete, VisualSpec
from bothways.vision import TOKENIZERS

if TYPE_CHECKING:
    from bothways.vision.tokenizer import AbstractTokenizer


class TokenizerConfig(Config):
    """Base of the configs of visual tokenizers; `kind` is a name from the catalogue."""

    kind: str
    size_px: int = Field(gt=0)  # side of the square pictures that go in, pixels

    @property
    def spec(self) -> VisualSpec:
        """What the tokenizer will declare. Kinds that know it from their numbers say so without torch.

        Raises: ConfigError when pictures of this size cannot be cut into tokens.
        """
        return self.build().spec

    @abstractmethod
    def build(self) -> AbstractTokenizer:
        """The tokenizer, frozen, with its weights loaded. Raises: ConfigError when shape and weights do not fit."""


AnyTokenizerConfig = part(TokenizerConfig, TOKENIZERS)


class VQConfig(TokenizerConfig):
    """Shape of the network and codebook, and where the weights lie."""

    kind: Literal["vq"] = "vq"
    size_px: int = Field(64, gt=0)  # side of the picture, pixels
    num_codes: int = Field(512, gt=1)  # entries of the codebook
    code_dim: int = Field(8, gt=0)  # width of one code; LlamaGen's value
    base_channels: int = Field(32, gt=0, multiple_of=32)  # channels at full resolution; a multiple of 32 (group norm)
    channel_multiplier: tuple[int, ...] = (1, 1, 2, 4)  # one entry a resolution; each further entry halves the grid
    num_res_blocks: int = Field(1, gt=0)  # residual blocks a resolution in the encoder (one more in the decoder)
    latent_channels: int = Field(128, gt=0)  # channels before the projection to `code_dim`
    weights: str | None = None  # `asset:NAME` (shipped), a path to a safetensors file, or null for random weights
    seed: int = 0  # names the random weights

    @field_validator("channel_multiplier")
    @classmethod
    def _has_resolutions(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or min(value) < 1:
            raise ValueError("expected at least one number, each at least 1")
        return value

    @property
    def grid_side(self) -> int:
        """Tokens along one side."""
        return self.size_px // 2 ** (len(self.channel_multiplier) - 1)

    @property
    def spec(self) -> VisualSpec:
        shrink = 2 ** (len(self.channel_multiplier) - 1)
        if self.size_px % shrink:
            raise ConfigError(
                f"The vq tokenizer shrinks pictures {shrink} times, and {self.size_px} px is not a multiple of that; "
                f"choose size_px among {shrink * 6}, {shrink * 8}, {shrink * 12}, ..."
            )
        grid = (self.grid_side, self.grid_side)
        return VisualSpec("vq", Discrete(self.num_codes, self.code_dim), grid, self.size_px, can_draw=True)

    def build(self) -> AbstractTokenizer:
        from bothways.vision.vq import VQTokenizer

        return VQTokenizer(self).requires_grad_(False).eval()


class VQTrainingConfig(Config):
    """Weights and rates of the quantiser's training."""

    plain_steps: int = 150  # steps without quantising at the start
    commitment: float = 0.25  # weight of the distance from latent to its code
    edge_weight: float = 2.0  # extra weight of a pixel at a full-range edge
    square_weight: float = 1.0  # weight of the squared error beside the absolute error
    codebook_decay: float = 0.98  # of the exponential mean that moves a code
    restart_below: float = 0.05  # a code used less than this times the even share is restarted
    restart_every_steps: int = 10  # how often unused codes are looked for
    seed: int = 0  # names the draws of restarts


class PatchConfig(TokenizerConfig):
    """Squares of `patch_px` pixels from pictures of `size_px`."""

    kind: Literal["patches"] = "patches"
    size_px: int = Field(64, gt=0)  # side of the picture, pixels
    patch_px: int = Field(8, gt=0)  # side of one patch, pixels
    mean: float = 0.35  # of all pixels in [-1, 1], measured on the watch world's training split
    std: float = Field(0.70, gt=0)  # the same

    @property
    def spec(self) -> VisualSpec:
        if self.size_px % self.patch_px:
            raise ConfigError(
                f"Pictures of {self.size_px} px cannot be cut into patches of {self.patch_px} px; "
                "choose a patch_px that divides size_px."
            )
        side = self.size_px // self.patch_px
        return VisualSpec("patches", Continuous(3 * self.patch_px**2), (side, side), self.size_px, can_draw=True)

    def build(self) -> AbstractTokenizer:
        from bothways.vision.patches import PatchTokenizer

        return PatchTokenizer(self).requires_grad_(False).eval()
