"""Config of the alignment dials: what a wrapped tokenizer gives to read, moved away from what it gives to draw. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from bothways.core.spec import VisualSpec
from bothways.vision.configs import TokenizerConfig
from bothways.vision.wrapper_config import WrapperConfig

if TYPE_CHECKING:
    from bothways.vision.tokenizer import AbstractTokenizer


class WarpedConfig(WrapperConfig):
    """Any tokenizer whose vectors are rotated, then scaled by channel, then moved; its tokens stay as they are.

    With `rotation` r a vector and its image are r * 90 degrees apart in the mean over planes, and at r = 1 unrelated: see
    `warp.Rotation`. P1's map is `rotation: 1` with `scale` and `offset` both its strength s, at every s.
    """

    kind: Literal["warped"] = "warped"
    rotation: float = 0.0  # 0 = as they are, 1 = a random rotation, in between the way from one to the other at even speed
    scale: float = Field(0.0, ge=0)  # each channel is multiplied by a number drawn from [1 - scale, 1 + scale]
    offset: float = Field(0.0, ge=0)  # each channel is moved by a number drawn from [-offset, offset], in the vectors' own unit
    seed: int = 0  # names rotation, factors and offsets

    @field_validator("rotation")
    @classmethod
    def _lies_on_the_dial(cls, value: float) -> float:
        if not 0 <= value <= 1:
            raise ValueError(f"the dial goes from 0 (as they are) to 1 (a random rotation) and {value:g} lies outside")
        return value

    @property
    def spec(self) -> VisualSpec:
        """The wrapped tokenizer's: a warp changes neither kind nor width nor grid, so a shared projector may read both."""
        return self.of.spec

    @property
    def encodes_as(self) -> TokenizerConfig:
        return self.of.encodes_as

    def build(self) -> AbstractTokenizer:
        from bothways.vision.warp import WarpedTokenizer

        return WarpedTokenizer(self).requires_grad_(False).eval()
