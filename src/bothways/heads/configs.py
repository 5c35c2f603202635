"""Configs of the heads, and which tokens each accepts. No torch here: misfits are refused without it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from bothways.core.config import Config, part
from bothways.core.errors import ConfigError
from bothways.core.spec import Continuous, Discrete, VisualSpec
from bothways.diffusion.configs import DenoiserConfig, DrawnHow
from bothways.heads import HEADS

if TYPE_CHECKING:
    from bothways.heads.head import AbstractHead


class HeadConfig(Config):
    """Base of the configs of heads; `kind` is a name from the catalogue."""

    accepts: ClassVar[type[Discrete] | type[Continuous]]
    kind: str

    @abstractmethod
    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        """A head for tokens of `spec` on hidden states of `width`."""

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
    kind: Literal["categorical"] = "categorical"

    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        from bothways.heads.categorical import CategoricalHead

        self.check(spec)
        return CategoricalHead(self, spec, width)


class RegressionConfig(HeadConfig):
    """One prediction a token, no distribution: the most that it can say of what a request leaves open is the mean."""

    accepts = Continuous
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


class DiffusionConfig(DenoiserConfig, HeadConfig):
    """Noise is taken off a token step by step, so what a request leaves open is drawn and not averaged."""

    accepts = Continuous
    kind: Literal["diffusion"] = "diffusion"

    def build(self, spec: VisualSpec, width: int) -> AbstractHead:
        from bothways.heads.diffusion import DiffusionHead

        self.check(spec)
        return DiffusionHead(self, spec, width)

    def check_how(self, how: DrawnHow) -> None:
        self.check_sampler(how)
