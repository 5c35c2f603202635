"""The second reader, ready to read: which world and size it is for, and what it says of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.errors import DataError
from bothways.evaluate.second.configs import SecondReaderConfig
from bothways.evaluate.second.shipped import config_of, weights_of, why_none
from bothways.evaluate.second.training import scaled
from bothways.vision.tokenizer import to_unit
from bothways.vision.weights import read_weights
from bothways.worlds.world import Read, Reading, WorldConfig

LEAST_CONFIDENCE = 0.5  # below this a value is not stated: something else is as likely
READ_TOGETHER = 64  # pictures


class SecondReader:
    """Reads pictures of one world: of every field only values that occur in it are considered."""

    def __init__(self, config: SecondReaderConfig, weights: Path, world: WorldConfig):
        """Raises: ConfigError when the file of weights is missing or broken."""
        self.config, self.labels = config, config.labels()
        self.network = config.build()
        self.network.load_state_dict(read_weights(weights))
        self.network.requires_grad_(False).eval()
        used = self.labels.in_use(world)
        self._excluded = {
            name: torch.tensor([value not in used[name] for value in values] + [False])
            for name, values in self.labels.fields.items()
        }

    def read(self, pictures: Sequence[np.ndarray]) -> list[Reading]:
        """What uint8 pictures (P, P, 3), all of one size, show."""
        parts = [pictures[start : start + READ_TOGETHER] for start in range(0, len(pictures), READ_TOGETHER)]
        return [reading for part in parts for reading in self._read(to_unit(np.stack(part)))]

    @torch.no_grad()
    def _read(self, pixels: Float[Tensor, "B 3 P P"]) -> list[Reading]:
        logits = self.network(scaled(pixels, self.config.input_px))
        shares = {name: one.masked_fill(self._excluded[name], -torch.inf).softmax(1) for name, one in logits.items()}
        best = {name: tuple(column.tolist() for column in one.max(1)) for name, one in shares.items()}
        return [
            self.labels.reading({name: self._said(name, sure[at], label[at]) for name, (sure, label) in best.items()})
            for at in range(len(pixels))
        ]

    def _said(self, name: str, sure: float, label: int) -> Read:
        values = self.labels.fields[name]
        stated = label < len(values) and sure >= LEAST_CONFIDENCE
        return Read(values[label], min(1.0, sure)) if stated else Read(None, 0.0)


def second_reader(world: WorldConfig, size_px: int) -> SecondReader:
    """The one that ships for pictures of that size of a world. Raises: DataError when none does."""
    reason = why_none(world, size_px)
    if reason is not None:
        raise DataError(reason)
    return _loaded(world.kind, type(world), world.model_dump_json())


@lru_cache(maxsize=8)
def _loaded(kind: str, config: type[WorldConfig], world_json: str) -> SecondReader:
    return SecondReader(config_of(kind), weights_of(kind), config.model_validate_json(world_json))
