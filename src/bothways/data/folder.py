"""A folder of picture files as pictures to train a visual tokenizer on: no labels, no texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import Field

from bothways.core.config import Config
from bothways.core.errors import DataError
from bothways.core.randomness import rng, seed_of, shuffled
from bothways.core.sample import AbstractPicture, ArrayPicture
from bothways.data.configs import Fit
from bothways.data.picture_checks import broken_among
from bothways.data.pixels import fitted, open_picture
from bothways.worlds.world import Split

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_KEPT_PX = 512  # decoded pictures are kept with a shorter side of at most this


class FolderConfig(Config):
    """Picture files, in folders inside too."""

    path: str  # the folder, from where the command runs
    held_out: float = Field(0.1, gt=0, lt=1)  # share of the pictures kept for the card, chosen by their names; at least one
    fit: Fit = "stretch"  # how pictures become square
    smallest_cut: float = Field(1.0, gt=0, le=1)  # train on squares cut anywhere, of this share of the shorter side to all
    seed: int = 0  # names the order, the cuts and what is held out

    def build(self) -> FolderPictures:
        """Raises: DataError when there is no such folder, or it holds fewer than two pictures, or one that cannot be read."""
        return FolderPictures(self)


class FolderPictures:
    """Pictures by split and number, as a world gives them: `train` in epochs, each in another order, others as held out."""

    def __init__(self, config: FolderConfig):
        self.config, folder = config, Path(config.path)
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}; set `path` to a folder of pictures.")
        files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in ENDINGS]
        # A name that is no UTF-8 is spelled out, so that it can be drawn by.
        paths = {str(path.relative_to(folder)).encode(errors="backslashreplace").decode(): path for path in files}
        broken = broken_among(paths, folder / "pictures")
        if broken:
            first = next(iter(broken.values()))
            raise DataError(f"{len(broken)} of the {len(paths)} pictures in {folder} cannot be read: {first}")
        if len(paths) < 2:
            told = f"{folder} holds {len(paths)} pictures ({', '.join(ENDINGS)})"
            raise DataError(f"{told}; expected two at least, one of them to hold out.")
        draws = {name: seed_of(config.seed, "held out", name) / 2**63 for name in paths}
        least = max(config.held_out, min(draws.values()) + 2**-53)
        held = [path for name, path in paths.items() if draws[name] < least]
        self.held_out = held if len(held) < len(paths) else held[:1]
        self.train = [path for path in paths.values() if path not in set(self.held_out)]

    def picture(self, split: Split, index: int) -> AbstractPicture:
        """Picture `index` from 0 of a split: `train` has no end, any other is what is held out."""
        if split != "train":
            return FolderPicture(self.held_out[index], self.config.fit)
        epoch, place = divmod(index, len(self.train))
        order = shuffled(len(self.train), self.config.seed, "folder", epoch)
        path = self.train[order[place]]
        cut = None if self.config.smallest_cut == 1.0 else (self.config.seed, self.config.smallest_cut, index)
        return FolderPicture(path, self.config.fit, cut)


@dataclass(frozen=True)
class FolderPicture(AbstractPicture):
    """A picture file; `cut`: (seed, smallest share, number) names a square cut out of it, instead of `fit`."""

    path: Path
    fit: Fit
    cut: tuple[int, float, int] | None = None

    @property
    def key(self) -> str:
        return f"{self.path.resolve()}:{self.fit}:{self.cut}"

    def pixels(self, size_px: int) -> np.ndarray:
        array = _small(self.path)
        array = fitted(array, self.fit) if self.cut is None else _cut(array, *self.cut)
        return ArrayPicture(array, self.key).pixels(size_px)


def _cut(array: np.ndarray, seed: int, smallest: float, index: int) -> np.ndarray:
    """A square of random size and place."""
    draw = rng(seed, "cut", index)
    side = round(min(array.shape[:2]) * draw.uniform(smallest, 1.0))
    top, left = (int(draw.integers(0, length - side + 1)) for length in array.shape[:2])
    return array[top : top + side, left : left + side]


@lru_cache(maxsize=2048)
def _small(path: Path) -> np.ndarray:
    from PIL import Image as Pil

    array = open_picture(path)
    scale = _KEPT_PX / min(array.shape[:2])
    if scale >= 1:
        return array
    height, width = (max(1, round(length * scale)) for length in array.shape[:2])
    return np.asarray(Pil.fromarray(array).resize((width, height), Pil.Resampling.BICUBIC))
