"""Configs of the painters: what turns tokens into pixels where they were not made to be drawn from. No torch here."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from bothways.core.config import Config
from bothways.core.errors import ConfigError
from bothways.core.spec import Continuous, VisualSpec
from bothways.diffusion.configs import DenoiserConfig
from bothways.vision.configs import AnyTokenizerConfig
from bothways.vision.kl_config import KLConfig
from bothways.vision.painting_config import PaintingConfig

if TYPE_CHECKING:
    from bothways.vision.masked_painter import MaskedPainter
    from bothways.vision.painter import AbstractPainter
    from bothways.vision.tokenizer import AbstractTokenizer


class HidingConfig(Config):
    """What a masked painter is not told in training: see vision/hiding.py."""

    mask_mean: float = 1.0  # of the Gaussian from which the share of hidden latents is drawn (MAR's)
    mask_std: float = Field(0.25, gt=0)  # its standard deviation (MAR's)
    least_hidden: float = Field(0.7, gt=0, le=1)  # share below which it is cut; above it is cut at 1 (MAR's)
    drop_share: float = Field(0.1, ge=0, lt=1)  # of pictures whose tokens are not told, for guidance (MAR's)


class PainterConfig(Config):
    """Base of the painters' configs; `kind` is a name from the catalogue."""

    kind: str
    seed: int = 0  # names the random weights

    def painting_as(self, painting: PaintingConfig) -> PainterConfig:
        """The same painter, painting so. Raises: ConfigError where it has no such choice."""
        raise ConfigError(
            f"Found settings of `painting`, and the painter `{self.kind}` paints a picture at once, always the same; leave "
            "`painting` out, or give a `masked` painter."
        )

    def to_file(self) -> PainterConfig:
        """As its file says it. Raises: ConfigError where a file cannot hold what it needs."""
        return self

    @abstractmethod
    def build(self, spec: VisualSpec) -> AbstractPainter:
        """A painter of tokens of `spec`. Raises: ConfigError when its pictures cannot be reached from its grid."""


class DirectPainterConfig(PainterConfig):
    """A decoder from a grid of continuous tokens to pixels; each further entry of the two lists doubles the grid."""

    kind: Literal["direct"] = "direct"
    channels: tuple[int, ...] = (192, 96, 32)  # multiples of 8 (group norm); what is left to the picture's size is one shuffle
    num_res_blocks: tuple[int, ...] = (2, 1, 1)  # residual blocks at each size

    @model_validator(mode="after")
    def _has_sizes(self) -> DirectPainterConfig:
        fits = len(self.channels) == len(self.num_res_blocks) > 0 and min(self.num_res_blocks) >= 0
        if not fits or any(count < 8 or count % 8 for count in self.channels):
            raise ValueError(f"found channels {self.channels} and blocks {self.num_res_blocks}; expected one of each a size")
        return self

    def build(self, spec: VisualSpec) -> AbstractPainter:
        from bothways.vision.direct_painter import DirectPainter

        return DirectPainter(self, spec)


class MaskedPainterConfig(PainterConfig):
    """MAR outside the backbone: latents of another tokenizer, some of them hidden, are drawn by diffusion from the tokens.

    MAR's own: 12 to 20 layers of encoder and of decoder each, 768 to 1280 wide. The defaults paint nano tokens in minutes of
    training.
    """

    kind: Literal["masked"] = "masked"
    latents: AnyTokenizerConfig = KLConfig(weights="asset:kl")  # continuous tokens that it draws, and their way to pixels
    width: int = Field(144, gt=0, multiple_of=4)  # channels of the transformer; a multiple of 4 (waves of places)
    num_layers: int = Field(4, gt=0)  # of the transformer
    num_heads: int = Field(4, gt=0)  # attention heads a layer
    mlp_ratio: int = Field(4, gt=0)  # hidden width of the MLPs, as a multiple of `width`
    denoiser: DenoiserConfig = DenoiserConfig()  # the diffusion of one token
    painting: PaintingConfig = PaintingConfig()  # how it paints, unless the tokenizer that it paints for says otherwise

    @model_validator(mode="after")
    def _fits(self) -> MaskedPainterConfig:
        if self.width % self.num_heads:
            raise ValueError(f"a width of {self.width} cannot be cut into {self.num_heads} heads")
        self.denoiser.check_sampler(self.painting)
        spec = self.latents.spec
        if not isinstance(spec.tokens, Continuous) or not spec.can_draw or len(spec.grid) != 2:
            raise ConfigError(
                f"A masked painter draws continuous tokens of two axes that have a way to pixels; found `{spec.kind}` ones."
            )
        if self.painting.num_iterations > spec.num_tokens:
            raise ConfigError(
                f"Found num_iterations {self.painting.num_iterations}; a picture of {spec.num_tokens} `{spec.kind}` tokens is "
                f"painted in 1 to {spec.num_tokens}."
            )
        return self

    @property
    def carries_latents(self) -> bool:
        """Whether its file holds the weights of `latents` too: those that do not ship with the package."""
        return not self.latents.files.get("weights", "").startswith("asset:")

    def painting_as(self, painting: PaintingConfig) -> PainterConfig:
        return self.with_changes({"painting": painting.to_dict()})

    def to_file(self) -> MaskedPainterConfig:
        """As its file says it: latents whose weights lie in the same file name no other. Raises: ConfigError for a folder."""
        folders = [name for name in self.latents.files.values() if Path(name).is_dir()]
        if folders:
            raise ConfigError(
                f"The latents of the masked painter are the folder {folders[0]}, which a painter's file cannot hold; give the "
                "weights as a safetensors file with the network's shape in the config."
            )
        blank = dict.fromkeys(self.latents.files) if self.carries_latents else {}
        return self.with_changes({"latents": self.latents.with_changes(blank).to_dict()})

    def build(self, spec: VisualSpec, latents: AbstractTokenizer | None = None) -> MaskedPainter:
        """`latents`: the tokenizer of that name, where there is one already."""
        from bothways.vision.masked_painter import MaskedPainter

        return MaskedPainter(self, spec, latents)
