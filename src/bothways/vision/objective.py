"""The door of every way to train a visual tokenizer: pictures of a world in, loss terms for the one trainer out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from bothways.core.sample import AbstractPicture
from bothways.core.tally import Tally
from bothways.vision.tokenizer import AbstractTokenizer, to_unit


@runtime_checkable
class ObjectiveBatch(Protocol):
    """What one step trains on: `counts` are what the trainer divides the terms by."""

    @property
    def counts(self) -> Mapping[str, int]: ...

    @property
    def num_samples(self) -> int: ...


class AbstractFit(nn.Module):
    """A tokenizer with what making it needs (teachers, heads, averages); only what is published is kept afterwards."""

    tokenizer: AbstractTokenizer

    def finish(self, pictures: list[AbstractPicture]) -> None:
        """Called once after the last step, if there are any, with pictures of the training split: measure constants of the
        tokens, say."""

    def publish(self, path: Path) -> AbstractTokenizer:
        """Writes what was made to `path`, in fp16, and returns the tokenizer as one who loads that file has it."""
        weights = {name: tensor.half().contiguous() for name, tensor in self.tokenizer.weights().items()}
        save_file(weights, path)
        self.tokenizer.load_weights(path)
        return self.tokenizer.requires_grad_(False).eval()


class AbstractObjective(AbstractFit, ABC):
    """One that the trainer makes step by step. Its hooks `before_step(step)` and `after_step(step)` may be offered too."""

    @abstractmethod
    def batch(self, pictures: list[AbstractPicture], draws: np.random.Generator) -> ObjectiveBatch:
        """What a step trains on, a function of the pictures and the draws alone: pixels, views of them, texts."""

    @abstractmethod
    def terms(self, batch: ObjectiveBatch) -> dict[str, Tally]:
        """The loss terms: sums over pictures, with gradients."""


def pixels_of(pictures: list[AbstractPicture], size_px: int) -> Float[Tensor, "B 3 P P"]:
    """The pictures, rendered, in [-1, 1]."""
    return to_unit(np.stack([picture.pixels(size_px) for picture in pictures]))


def batches_of(pictures: list[AbstractPicture], size_px: int, num: int = 64) -> Iterator[Float[Tensor, "B 3 P P"]]:
    """The same, `num` pictures at a time."""
    for start in range(0, len(pictures), num):
        yield pixels_of(pictures[start : start + num], size_px)
