"""Configs of the heads, and which tokens each accepts. No torch here: misfits are refused without it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bothways.core.config import Config, part
from bothways.core.errors import ConfigError
from bothways.core.spec import Continuous, Discrete, VisualSpec
from bothways.diffusion.configs import DenoiserConfig, DrawnHow, FormConfig
from bothways.heads import HEADS
from bothways.layout.order import Drawing, Masking

if TYPE_CHECKING:
    from bothways.heads.head import AbstractHead


class HeadConfig(Config):
    """Base of the configs of heads; `kind` is a name from the catalogue."""

    accepts: ClassVar[type[Discrete] | type[Continuous]]
    needs_unit_channels: ClassVar[bool] = False  # targets must have mean 0 and variance 1 in every channel
    stacks: ClassVar[bool] = False  # its loss draws nothing and keeps no statistics, so those of several models can be one
    inside_backbone: ClassVar[bool] = False  # the backbone itself predicts, so no gradient gate fits between them
    predicts_one: ClassVar[bool] = False  # its prediction is the token, so gradients find the way back through it
    kind: str

    @abstractmethod
    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        """A head for tokens of `spec` on hidden states of `width`."""

    def laid_out(self, drawing: Drawing) -> Drawing:
        """How this head wants learned images laid out: as `drawing` says, or masked or noised to be predicted in place.
        Raises: ConfigError where `drawing` asks for an order and the head has none."""
        return drawing

    def check_how(self, how: DrawnHow) -> None:
        """Raises: ConfigError where this head cannot draw so: with a sampler, unless it draws in steps."""
        asked = {"sampler": how.sampler, "sampling_steps": how.sampling_steps, "eta": how.eta}
        for name, value in asked.items():
            if value:
                raise ConfigError(
                    f"Found {name} {value} for drawings, and the head `{self.kind}` makes a token in one step; leave it out, "
                    "or learn continuous tokens with the head `diffusion`."
                )

    def check(self, spec: VisualSpec) -> None:
        """Raises: ConfigError when this head cannot make tokens of `spec`, naming the heads that can."""
        if isinstance(spec.tokens, self.accepts):
            return
        fitting = [kind for kind in HEADS if isinstance(spec.tokens, HEADS.load(kind).accepts)]
        found, needed = type(spec.tokens).__name__.lower(), self.accepts.__name__.lower()
        hint = f"heads that fit: {', '.join(fitting)}" if fitting else "no head fits them yet, so learn `vq` tokens instead"
        raise ConfigError(f"The head `{self.kind}` needs {needed} tokens and `{spec.kind}` makes {found} ones; {hint}.")


AnyHeadConfig = part(HeadConfig, HEADS)


class CategoricalConfig(HeadConfig):
    """A softmax over the codebook. Nothing to choose."""

    accepts = Discrete
    stacks = True
    kind: Literal["categorical"] = "categorical"

    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        from bothways.heads.categorical import CategoricalHead

        self.check(spec)
        return CategoricalHead(self, spec, width)


class MaskedConfig(HeadConfig):
    """A softmax over the codebook at every hidden token of an image whose tokens all read each other (MaskGIT, Show-o)."""

    accepts = Discrete
    stacks = True
    kind: Literal["masked"] = "masked"
    masking: Masking = Masking()  # which tokens are hidden in training; a share of null is MaskGIT's cosine
    choice_noise: float = Field(1.0, ge=0)
    """Gumbel noise on the log-probabilities by which drawn tokens stay, times the temperature and the share of steps to come.
    Show-o's code has 1, MaskGIT's 4.5; neither paper states it."""

    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        from bothways.heads.masked import MaskedHead

        self.check(spec)
        return MaskedHead(self, spec, width)

    def laid_out(self, drawing: Drawing) -> Drawing:
        return drawing.with_changes({"masked": self.masking.to_dict()})


class RegressionConfig(HeadConfig):
    """One prediction a token, no distribution: the most that it can say of what a request leaves open is the mean."""

    accepts = Continuous
    predicts_one = True
    kind: Literal["regression"] = "regression"
    objective: Literal["cosine", "mse"] = "cosine"  # 1 - cosine to the target (P1's), or squared error, mean over channels

    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        from bothways.heads.regression import RegressionHead

        self.check(spec)
        return RegressionHead(self, spec, width)

    def check_how(self, how: DrawnHow) -> None:
        super().check_how(how)
        if how.temperature:
            raise ConfigError(
                f"Found the temperature {how.temperature:g} for drawings, and the head `regression` predicts a single token "
                "with no distribution to draw from; set the temperature to 0, or use the head `diffusion`."
            )


class NoiseConfig(FormConfig, HeadConfig):
    """Base of the heads that take noise off step by step, so what a request leaves open is drawn and not averaged."""

    accepts = Continuous
    needs_unit_channels = True

    def check_how(self, how: DrawnHow) -> None:
        """Raises: ConfigError for a sampler that does not exist or fits another form, and for steps out of range."""
        self.check_sampler(how)


class DiffusionConfig(DenoiserConfig, NoiseConfig):
    """A small network takes noise off one token after the other, each conditioned on a hidden state."""

    kind: Literal["diffusion"] = "diffusion"

    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        from bothways.heads.diffusion import DiffusionHead

        self.check(spec)
        return DiffusionHead(self, spec, width)


class DenoiseConfig(NoiseConfig):
    """The backbone takes noise off all tokens of an image at once, which read each other (Transfusion). The forms are those of
    the head `diffusion`; Transfusion predicts the noise alone, as ddpm does here beside the variance."""

    inside_backbone = True
    kind: Literal["denoise"] = "denoise"
    form: Literal["ddpm", "flow"] = "flow"

    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        from bothways.heads.denoise import DenoiseHead

        self.check(spec)
        return DenoiseHead(self, spec, width)

    def laid_out(self, drawing: Drawing) -> Drawing:
        return drawing.with_changes({"noised": True})
