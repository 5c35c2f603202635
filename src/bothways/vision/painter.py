"""The door of painters: vectors of a picture's tokens back to pixels, for tokenizers that were not made to be drawn from.

A painter is one file: weights in fp16, and in the file's metadata its config and for whose tokens it was made.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.vision import PAINTERS
from bothways.vision.painter_configs import MaskedPainterConfig, PainterConfig
from bothways.vision.painting_config import PaintingConfig
from bothways.vision.tokenizer import AbstractTokenizer
from bothways.vision.weights import fingerprint, read_weights

CONFIG = "painter"  # the key of the file's metadata that holds the config
PAINTS = "paints"  # the one that says for which tokenizer's tokens it was made


class AbstractPainter(nn.Module, ABC):
    """A decoder outside of every model."""

    config: PainterConfig

    @abstractmethod
    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B 3 P P"]:
        """Pixels, not clipped, from vectors in raster order; each picture by itself, and the same whenever it is asked for."""

    def weights(self) -> dict[str, Tensor]:
        """What its file holds."""
        return self.state_dict()

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Takes over what `weights` gave. Raises: ConfigError where it leans on something that has changed since."""
        self.load_state_dict(weights)


def save_painter(painter: AbstractPainter, path: Path, tokenizer: AbstractTokenizer) -> None:
    """Writes its file. Raises: ConfigError where a file cannot hold it."""
    weights = {name: tensor.half().contiguous() for name, tensor in painter.weights().items()}
    told = {CONFIG: json.dumps(painter.config.to_file().to_dict()), PAINTS: fingerprint(tokenizer)}
    save_file(weights, path, metadata=told)


def load_painter(path: Path, tokenizer: AbstractTokenizer) -> AbstractPainter:
    """The painter in a file, frozen, painting as the tokenizer's config says.

    Raises: ConfigError when it is no painter, was made for another tokenizer's tokens, or cannot paint so.
    """
    weights = read_weights(path)
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
        values = {"kind": "direct"} | json.loads(told[CONFIG])  # those made before there were others say no kind
    except (OSError, SafetensorError, KeyError, ValueError):
        raise ConfigError(f"The file {path} holds no painter; make one with `bothways train-tokenizer`.") from None
    if told.get(PAINTS) != fingerprint(tokenizer):
        raise ConfigError(
            f"The painter {path} was made for a tokenizer with other weights, so it would paint noise; give the one that was "
            "made for these, or make it with `bothways train-tokenizer`."
        )
    config = PAINTERS.load(values["kind"]).parse(values, where=f"the painter {path}")
    if tokenizer.config.painting is not None:
        config = config.painting_as(tokenizer.config.painting)
    painter = config.build(tokenizer.spec)
    painter.load_weights(weights)
    return painter.requires_grad_(False).eval()


def exchange_painter(tokenizer: AbstractTokenizer, path: Path) -> None:
    """Has the tokens of a tokenizer painted by the painter in a file from now on. Raises: ConfigError where its tokens are not
    painted, or as `load_painter`."""
    if not hasattr(tokenizer, "painter"):
        raise ConfigError(
            f"Found the painter {path}, and `{tokenizer.spec.kind}` tokens are decoded by their own tokenizer; leave the "
            "painter out, or give a run that draws tokens which are painted (`semantic`, `codes`)."
        )
    tokenizer.painter = load_painter(path, tokenizer)


def painting_of(paints: nn.Module) -> PaintingConfig | None:
    """How a tokenizer's tokens, or what a model's own painter is told, are painted, where that may be chosen anew for every
    picture; None where a picture follows from them alone."""
    painter = getattr(paints, "painter", None)
    found = painter and painter.config
    return found.painting if isinstance(found, MaskedPainterConfig) else None


@contextmanager
def painting_as(paints: nn.Module, painting: PaintingConfig | None) -> Iterator[None]:
    """Has its tokens painted so for a while; None changes nothing. Raises: ConfigError where its painter cannot paint so."""
    if painting is None:
        yield
        return
    own = paints.painter.config
    paints.painter.config = own.painting_as(painting)
    try:
        yield
    finally:
        paints.painter.config = own
