"""Configs of the visual tokenizers. No torch here: recipes are read, compared and refused without it."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from bothways.core.config import Config, part
from bothways.core.errors import ConfigError
from bothways.core.spec import Continuous, Discrete, VisualSpec
from bothways.vision import TOKENIZERS
from bothways.vision.painting_config import PaintingConfig

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

    @property
    def encodes_as(self) -> TokenizerConfig:
        """The config whose tokens these are: its own, or that of the tokenizer which a wrapper leaves in charge of them."""
        return self

    @property
    def files(self) -> dict[str, str]:
        """Field -> what it names: `asset:NAME`, a file, or a folder; fields that name none are left out."""
        return {field: name for field in ("weights", "painter") if (name := getattr(self, field, None))}

    def with_files(self, paths: dict[str, Path]) -> TokenizerConfig:
        """The same tokenizer, these fields naming other files."""
        return self.with_changes({field: str(path) for field, path in paths.items()})

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
    base_channels: int = Field(32, gt=0, multiple_of=32)  # channels behind the stem; a multiple of 32 (group norm)
    stem_px: int = Field(2, gt=0)  # side of the square of pixels that enters and leaves the network as one place
    channel_multiplier: tuple[int, ...] = (1, 2, 4)  # one entry a resolution; each further entry halves the grid
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
        return self.size_px // self.shrink

    @property
    def shrink(self) -> int:
        """Pixels along one side of a token."""
        return self.stem_px * 2 ** (len(self.channel_multiplier) - 1)

    @property
    def spec(self) -> VisualSpec:
        shrink = self.shrink
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


FAMILIES: dict[str, dict[str, Any]] = {
    # What a config.json of the family leaves out, and how it wants its pixels: (pixel in [0, 1] - mean) / std.
    "siglip": {"hidden_size": 768, "image_size": 224, "patch_size": 16, "mean": (0.5,) * 3, "std": (0.5,) * 3},
    "clip": {
        "hidden_size": 768,
        "image_size": 224,
        "patch_size": 32,
        "mean": (0.48145466, 0.4578275, 0.40821073),
        "std": (0.26862954, 0.26130258, 0.27577711),
    },
    "dinov2": {
        "hidden_size": 768,
        "image_size": 224,
        "patch_size": 14,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    },
}


class SemanticConfig(TokenizerConfig):
    """A vision tower of transformers and which of its hidden states are the tokens.

    Where `weights` is a folder, its config.json says width, layers, heads and patch, and those fields here are not read.
    """

    kind: Literal["semantic"] = "semantic"
    size_px: int = Field(64, gt=0)  # side of the picture, pixels; positions are interpolated where the tower has others
    family: Literal["siglip", "clip", "dinov2"] = "siglip"  # SigLIP and SigLIP 2 (fixed size), CLIP, DINOv2
    patch_px: int = Field(8, gt=0)  # side of one patch, pixels: the token grid is size_px / patch_px
    width: int = Field(96, gt=0)  # channels of the tower, and of a token
    num_layers: int = Field(6, gt=0)  # transformer layers
    num_heads: int = Field(3, gt=0)  # attention heads a layer
    mlp_ratio: int = Field(4, gt=0)  # hidden width of the MLPs, as a multiple of `width`
    layer: int = -2  # hidden state that is read: -1 after the last layer, -2 one before (P1), 0 the patch embeddings
    weights: str | None = None  # `asset:NAME`, a safetensors file, a pretrained folder of transformers, or null for random
    painter: str | None = None  # weights that draw pixels from these tokens (`asset:NAME` or a file); null: cannot draw
    painting: PaintingConfig | None = None  # how a painter that draws in steps does so; null: as its file says
    seed: int = 0  # names the random weights

    @model_validator(mode="after")
    def _layer_exists(self) -> SemanticConfig:
        if not self.pretrained and not -self.num_layers - 1 <= self.layer <= self.num_layers:
            raise ValueError(f"layer {self.layer} does not exist in a tower of {self.num_layers} layers")
        if not self.pretrained and self.width % self.num_heads:
            raise ValueError(f"a width of {self.width} cannot be cut into {self.num_heads} heads")
        if self.painting and self.painter is None:
            raise ValueError("`painting` says how a painter paints and there is none; set `painter` too, or leave it out")
        return self

    @property
    def pretrained(self) -> Path | None:
        """The folder with the pretrained tower, if `weights` is one."""
        folder = Path(self.weights) if self.weights and not self.weights.startswith("asset:") else None
        return folder if folder and folder.is_dir() else None

    @property
    def tower(self) -> dict[str, Any]:
        """hidden_size, patch_size and image_size of the tower, and mean and std of the pixels that it wants.

        Raises: ConfigError when the pretrained folder holds no tower of this family.
        """
        if self.pretrained is None:
            own = {"hidden_size": self.width, "patch_size": self.patch_px, "image_size": self.size_px}
            return FAMILIES[self.family] | own
        told = _json(self.pretrained / "config.json")
        if not str(told.get("model_type", "")).startswith(self.family):
            raise ConfigError(
                f"The folder {self.pretrained} holds a `{told.get('model_type')}` and the config says family "
                f"`{self.family}`; the families are {', '.join(FAMILIES)}."
            )
        pixels = self.pretrained / "preprocessor_config.json"
        wanted = _json(pixels) if pixels.is_file() else {}
        found = told.get("vision_config", told) | {
            key: tuple(wanted[f"image_{key}"]) for key in ("mean", "std") if f"image_{key}" in wanted
        }
        return {key: found.get(key, value) for key, value in FAMILIES[self.family].items()}

    @property
    def spec(self) -> VisualSpec:
        tower = self.tower
        if self.size_px % tower["patch_size"]:
            raise ConfigError(
                f"Pictures of {self.size_px} px cannot be cut into the tower's patches of {tower['patch_size']} px; "
                "choose a size_px that is a multiple of it."
            )
        side = self.size_px // tower["patch_size"]
        can_draw = self.painter is not None
        return VisualSpec("semantic", Continuous(tower["hidden_size"]), (side, side), self.size_px, can_draw)

    @property
    def encodes_as(self) -> TokenizerConfig:
        """Itself without its painter, which has no say in what the tokens are."""
        return self.with_changes({"painter": None, "painting": None})

    def build(self) -> AbstractTokenizer:
        from bothways.vision.semantic import SemanticTokenizer

        return SemanticTokenizer(self).requires_grad_(False).eval()


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read {path} ({error}); a pretrained tower is a folder saved by transformers.") from None
