"""Configs of codes made of continuous tokens, and of code vectors as continuous tokens. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from bothways.core.errors import ConfigError
from bothways.core.spec import Continuous, Discrete, VisualSpec
from bothways.vision.configs import AnyTokenizerConfig, SemanticConfig, TokenizerConfig
from bothways.vision.painting_config import PaintingConfig
from bothways.vision.wrapper_config import WrapperConfig

if TYPE_CHECKING:
    from bothways.vision.tokenizer import AbstractTokenizer


class CodesConfig(WrapperConfig):
    """K-means codes of a continuous tokenizer's tokens: of `semantic` ones codes of meaning, as `vq`'s are of pixels."""

    kind: Literal["codes"] = "codes"
    of: AnyTokenizerConfig = SemanticConfig()  # the continuous tokenizer whose tokens are coded; never a part of the weights
    num_codes: int = Field(512, gt=1)  # entries of the codebook
    weights: str | None = None  # the codebook: `asset:NAME`, a safetensors file, or null for random codes
    painter: str | None = None  # draws pixels from code vectors (`asset:NAME` or a file); null: `of` draws them, if it can
    painting: PaintingConfig | None = None  # how a painter that draws in steps does so; null: as its file says
    seed: int = 0  # names the random codes

    @model_validator(mode="after")
    def _fits(self) -> CodesConfig:
        spec = self.of.spec
        if not isinstance(spec.tokens, Continuous):
            raise ConfigError(
                f"The tokenizer `codes` makes codes of continuous tokens and `{spec.kind}` makes codes already; set `of` to "
                "another, for example `semantic`."
            )
        if self.painting and self.painter is None:
            raise ValueError("`painting` says how a painter paints and there is none; set `painter` too, or leave it out")
        return self

    @property
    def spec(self) -> VisualSpec:
        of = self.of.spec
        return VisualSpec(
            "codes", Discrete(self.num_codes, of.dim), of.grid, of.size_px, self.painter is not None or of.can_draw
        )

    @property
    def encodes_as(self) -> TokenizerConfig:
        return self.with_changes({"painter": None, "painting": None, "of": self.of.encodes_as.to_dict()})

    @property
    def files(self) -> dict[str, str]:
        """Its own fields, and those of the wrapped tokenizer as `of-FIELD`."""
        own = {field: name for field in ("weights", "painter") if (name := getattr(self, field))}
        return own | {f"of-{field}": name for field, name in self.of.files.items()}

    def with_files(self, paths: dict[str, Path]) -> CodesConfig:
        own = {field: str(path) for field, path in paths.items() if not field.startswith("of-")}
        inner = {field.removeprefix("of-"): path for field, path in paths.items() if field.startswith("of-")}
        return self.with_changes(own | {"of": self.of.with_files(inner).to_dict()})

    def build(self) -> AbstractTokenizer:
        from bothways.vision.codes import CodesTokenizer

        return CodesTokenizer(self).requires_grad_(False).eval()


class CodeVectorsConfig(WrapperConfig):
    """The codes of a discrete tokenizer as continuous tokens, all of the same width and scale, so that one diffusion head can
    draw `vq` and `codes` alike."""

    kind: Literal["code_vectors"] = "code_vectors"
    dim: int = Field(8, gt=0)  # principal components of the codebook that are kept; 8: all that vq's codes have

    @model_validator(mode="after")
    def _fits(self) -> CodeVectorsConfig:
        tokens = self.of.spec.tokens
        if not isinstance(tokens, Discrete):
            raise ConfigError(
                f"The tokenizer `code_vectors` takes the codes of a discrete tokenizer and `{self.of.kind}` makes continuous "
                "tokens already; leave it out, or set `of` to another, for example `vq`."
            )
        if self.dim > min(tokens.dim, tokens.vocab - 1):
            raise ValueError(f"dim is {self.dim} and {tokens.vocab} codes of {tokens.dim} channels have fewer components")
        return self

    @property
    def spec(self) -> VisualSpec:
        of = self.of.spec
        return VisualSpec("code_vectors", Continuous(self.dim), of.grid, of.size_px, of.can_draw)

    @property
    def encodes_as(self) -> TokenizerConfig:
        return self.with_changes({"of": self.of.encodes_as.to_dict()})

    def build(self) -> AbstractTokenizer:
        from bothways.vision.code_vectors import CodeVectorsTokenizer

        return CodeVectorsTokenizer(self).requires_grad_(False).eval()
