"""Configs of tokenizers that wrap another one: its size, and where its files lie. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from bothways.vision.configs import AnyTokenizerConfig, TokenizerConfig, VQConfig


class WrapperConfig(TokenizerConfig):
    """Base of the wrappers' configs. Files of the wrapped tokenizer go by its own names."""

    size_px: int = Field(0, ge=0, exclude=True)  # that of the wrapped tokenizer; leave it out
    of: AnyTokenizerConfig = VQConfig()  # the tokenizer that is wrapped

    @model_validator(mode="after")
    def _takes_the_size_of_the_wrapped(self) -> Self:
        if self.size_px not in (0, self.of.size_px):
            raise ValueError(f"size_px is {self.size_px} and the wrapped tokenizer's {self.of.size_px}; set of.size_px alone")
        self.__dict__["size_px"] = self.of.size_px
        return self

    @property
    def files(self) -> dict[str, str]:
        return self.of.files

    def with_files(self, paths: dict[str, Path]) -> Self:
        return self.with_changes({"of": self.of.with_files(paths).to_dict()})
