"""One's own items as a source of samples: checked once before training, shuffled by (seed, source), a share held out.

A reader of another format is a subclass of `AbstractItems` and a config that opens it; all the rest is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from bothways.core.errors import DataError
from bothways.core.randomness import seed_of, shuffled
from bothways.core.sample import AbstractPicture, Image, Sample, Segment
from bothways.data.configs import ItemsConfig

_TOLD = 3  # bad items named in the sentence that refuses a run


@dataclass(frozen=True)
class Bad:
    """An item that cannot be used: the source it belongs to, its place in the file (from 0), its id, and why."""

    source: str
    index: int
    id: str
    reason: str

    def to_dict(self) -> dict[str, str | int]:
        return asdict(self)


class AbstractItems(ABC):
    """A finite list of items in one format. Items are read when asked for, and equal every time."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def id(self, index: int) -> str:
        """What people know the item by; another one for every item."""

    @abstractmethod
    def segments(self, index: int) -> tuple[Segment, ...]:
        """The item's segments. Raises: DataError, in words for people, for an item that cannot be used."""

    @abstractmethod
    def picture_names(self, index: int) -> tuple[str, ...]:
        """Names of the item's pictures, equal for equal pictures; empty for text alone and for items that are bad."""

    @abstractmethod
    def broken_pictures(self) -> dict[str, str]:
        """Name -> why, of all pictures that cannot be read. Reads every picture, so it takes a while."""

    @property
    @abstractmethod
    def checksum(self) -> str:
        """Of the file that names the items: equal when it is, byte for byte."""

    @property
    @abstractmethod
    def notices(self) -> tuple[str, ...]:
        """What people should know about the file: keys that were ignored, items left out on purpose."""


class ItemSource:
    """Samples of a list of items; `sample(cursor)` is a pure function.

    Items that cannot be used are in `bad`. Of the others, a share whose pictures are chosen by name is `held_out`: equal
    pictures fall on the same side in every source and file, whatever else these hold.
    """

    def __init__(self, name: str, config: ItemsConfig, seed: int = 0):
        """Reads and checks everything but lengths (see `keep`). Raises: DataError when the file is no list of items."""
        self.source, self.config, self.seed = name, config, seed
        self.items, broken = _opened(config)
        self.bad: list[Bad] = []
        for index in range(len(self.items)):
            reason = self._reason(index, broken)
            if reason:
                self.bad.append(Bad(name, index, self.items.id(index), reason))
        self._split()

    def keep(self, fits: Callable[[Sample], object]) -> None:
        """Leaves out the items for which `fits` raises a DataError: those longer than the model's context."""
        for index in (*self.train, *self.held_out):
            try:
                fits(self.item(int(index)))
            except DataError as error:
                self.bad.append(Bad(self.source, int(index), self.items.id(int(index)), str(error)))
        self._split()

    def refuse_if_too_bad(self) -> None:
        """Raises: DataError when more than `max_bad_share` of the items are bad, or none is left to train on."""
        share = len(self.bad) / len(self.items)
        if share > self.config.max_bad_share:
            raise DataError(
                f"{len(self.bad)} of the {len(self.items)} items of `{self.source}` cannot be used ({_told(self.bad)}), more "
                f"than data.sources.{self.source}.max_bad_share = {self.config.max_bad_share:g} allows; mend them or raise it."
            )
        if not len(self.train):
            raise DataError(
                f"The source `{self.source}` has no item to train on ({len(self.bad)} bad, {len(self.held_out)} held out); "
                "lower held_out, or give it more items."
            )

    def sample(self, cursor: int) -> Sample:
        """Sample `cursor` >= 0 of the training items, epoch after epoch, each in another order."""
        epoch, place = divmod(cursor, len(self.train))
        order = _order(len(self.train), self.seed, self.source, epoch)
        return self.item(int(self.train[order[place]]), f"@{cursor}")

    def item(self, index: int, occasion: str = "") -> Sample:
        """Item `index` of the file as a sample; its id names source, item and occasion."""
        return Sample(f"{self.source}/{self.items.id(index)}{occasion}", self.items.segments(index), self.source)

    def pictures(self) -> Iterable[AbstractPicture]:
        """Every picture of the training items."""
        for index in self.train:
            yield from (s.content for s in self.items.segments(int(index)) if isinstance(s, Image) and s.content is not None)

    def _reason(self, index: int, broken: dict[str, str]) -> str | None:
        try:
            self.items.segments(index)
        except DataError as error:
            return str(error)
        return next((broken[name] for name in self.items.picture_names(index) if name in broken), None)

    def _split(self) -> None:
        bad = {one.index for one in self.bad}
        good = [index for index in range(len(self.items)) if index not in bad]
        held = _held_out([self.items.picture_names(i) or (self.items.id(i),) for i in good], self.config.held_out, self.seed)
        self.train = np.array([i for i, out in zip(good, held, strict=True) if not out], dtype=np.int64)
        self.held_out = np.array([i for i, out in zip(good, held, strict=True) if out], dtype=np.int64)


def _held_out(names: Sequence[tuple[str, ...]], share: float, seed: int) -> list[bool]:
    """Which items are held out: those with a picture that is. At least one picture, where the share is not 0."""
    every = {name for item in names for name in item}
    draws = {name: seed_of(seed, "held out", name) / 2**63 for name in every}
    if not share or len(every) < 2:
        return [False] * len(names)
    most = max(share, min(draws.values()) + 2**-53)
    chosen = {name for name, draw in draws.items() if draw < most}
    return [any(name in chosen for name in item) for item in names]


def _told(bad: Sequence[Bad]) -> str:
    reasons = Counter(one.reason for one in bad)
    first = next(one for one in bad if one.reason == reasons.most_common(1)[0][0])
    more = ", ".join(f"`{one.id}`" for one in bad if one is not first)
    others = f"; also {', '.join(more.split(', ')[: _TOLD - 1])}" if more else ""
    return f"`{first.id}`: {first.reason.rstrip('.')}{others}"


_OPENED: dict[str, tuple[AbstractItems, dict[str, str]]] = {}


def _opened(config: ItemsConfig) -> tuple[AbstractItems, dict[str, str]]:
    """The items and their broken pictures, read once a process: training and its exams open the same files."""
    key = config.digest()
    if key not in _OPENED:
        items = config.open()
        _OPENED[key] = items, items.broken_pictures()
    return _OPENED[key]


@lru_cache(maxsize=16)
def _order(num: int, seed: int, source: str, epoch: int) -> np.ndarray:
    return shuffled(num, seed, "items", source, epoch)
