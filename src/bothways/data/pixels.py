"""Picture files, opened with care: damaged, huge or foreign files are refused in a sentence, before decoding if possible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.errors import DataError
from bothways.core.sample import AbstractPicture, ArrayPicture
from bothways.data.configs import Fit

MAX_PIXELS = 50_000_000  # larger pictures are refused from their header alone
_LONGEST_NAME = 200  # characters of a path that are told where it may have any number


@dataclass(frozen=True)
class FilePicture(AbstractPicture):
    """A picture file. Its key is the path with size and time of change, so an edited file is encoded anew.

    `fit`: how it becomes square: its sides scaled apart (`stretch`), the middle cut out (`crop`), white at two sides (`pad`).
    """

    path: Path
    fit: Fit = "stretch"

    @property
    def key(self) -> str:
        _check_is_file(self.path)
        stat = self.path.stat()
        return f"{self.path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{self.fit}"

    def pixels(self, size_px: int) -> np.ndarray:
        return ArrayPicture(fitted(open_picture(self.path), self.fit), str(self.path)).pixels(size_px)


def open_picture(path: Path) -> np.ndarray:
    """uint8 (height, width, 3), upright as its EXIF data say; of an animation the first picture; transparency is laid on
    white. Raises: DataError naming what is wrong with the file."""
    with _opened(path) as opened:
        return _flat(opened, str(path))


def check_picture(path: Path) -> None:
    """Reads the whole file, decoding no more than that takes. Raises: DataError as `open_picture` does."""
    with _opened(path) as opened:
        _check_size(opened, str(path))
        opened.draft("RGB", (64, 64))  # of JPEG files an eighth of the size: five times as fast
        opened.load()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The opened file; what goes wrong in the block becomes a sentence. Raises: DataError."""
    from PIL import Image as Pil
    from PIL import UnidentifiedImageError

    _check_is_file(path)
    # Pillow warns about large pictures from the same header that we check; ours is the only voice.
    Pil.MAX_IMAGE_PIXELS = None
    try:
        with Pil.open(path) as opened:
            yield opened
    except PermissionError:
        raise DataError(f"{path} may not be read; change its permissions.") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is not a picture that can be read; give a PNG, JPEG, WebP, BMP or GIF file.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} is damaged or cut short ({error}); make or copy the file again.") from None


def picture_from(image: Any) -> ArrayPicture:
    """The picture in a file (`str` or `Path`), a Pillow image or a uint8 array (height, width, 3).

    Raises: DataError when it is none of these, or cannot be read.
    """
    if isinstance(image, str | Path):
        array = open_picture(Path(image))
    elif isinstance(image, np.ndarray):
        array = _checked(image)
    elif hasattr(image, "convert") and hasattr(image, "size"):
        array = _flat(image, "The image")
    else:
        found = type(image).__name__
        raise DataError(f"Found {found}; a picture is a path, a Pillow image or a uint8 array (height, width, 3).")
    return ArrayPicture.named_by_content(array)


def _check_is_file(path: Path) -> None:
    try:
        exists = path.exists()
    except OSError as error:
        raise DataError(f"{str(path)[:_LONGEST_NAME]} cannot be looked at ({error.strerror}); mend the path.") from None
    if not exists:
        raise DataError(f"There is no picture {path}; give the path of a PNG, JPEG or other picture file.")
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the path of one picture file.")
    if not path.is_file():  # reading from a pipe would wait for ever
        raise DataError(f"{path} is a pipe or a device; give the path of one picture file.")


def _checked(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise DataError(
            f"Found an array of {array.dtype} with shape {array.shape}; a picture is a uint8 array (height, width, 3)."
        )
    return np.ascontiguousarray(array)


def _flat(image: Any, name: str) -> np.ndarray:
    """uint8 (height, width, 3) of a Pillow image, decoded only when its header promises a sane size."""
    from PIL import Image as Pil
    from PIL import ImageOps

    _check_size(image, name)
    image = ImageOps.exif_transpose(image)  # a telephone keeps its pictures lying and notes which side is up
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
        levels = (np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8)
        return np.repeat(levels[:, :, None], 3, 2)
    flat = image.convert("RGBA")
    return np.asarray(Pil.alpha_composite(Pil.new("RGBA", flat.size, "white"), flat).convert("RGB"))


def _check_size(image: Any, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name} has {width} x {height} = {width * height / 1e6:.0f} megapixels; at most {MAX_PIXELS // 10**6} are "
            "decoded. Make it smaller first."
        )


def fitted(array: np.ndarray, fit: Fit) -> np.ndarray:
    """The picture as `fit` has it: square but for `stretch`, which leaves it to the scaling."""
    height, width = array.shape[:2]
    if fit == "stretch" or height == width:
        return array
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return array[top : top + side, left : left + side]
    side = max(height, width)
    padded = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    padded[top : top + height, left : left + width] = array
    return padded
