"""Picture files, opened with care: damaged, huge or foreign files are refused in a sentence, before decoding if possible."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.errors import DataError
from bothways.core.sample import AbstractPicture, ArrayPicture

MAX_PIXELS = 50_000_000  # larger pictures are refused from their header alone


@dataclass(frozen=True)
class FilePicture(AbstractPicture):
    """A picture file. Its key is the path with size and time of change, so an edited file is encoded anew."""

    path: Path

    @property
    def key(self) -> str:
        _check_is_file(self.path)
        stat = self.path.stat()
        return f"{self.path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"

    def pixels(self, size_px: int) -> np.ndarray:
        return ArrayPicture(open_picture(self.path), str(self.path)).pixels(size_px)


def open_picture(path: Path) -> np.ndarray:
    """uint8 (height, width, 3); transparency is laid on white. Raises: DataError naming what is wrong with the file."""
    from PIL import Image as Pil
    from PIL import UnidentifiedImageError

    _check_is_file(path)
    # Pillow warns about large pictures from the same header that we check; ours is the only voice.
    Pil.MAX_IMAGE_PIXELS = None
    try:
        with Pil.open(path) as opened:
            return _flat(opened, str(path))
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
    return ArrayPicture(array, hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest() + f"/{array.shape}")


def _check_is_file(path: Path) -> None:
    if not path.exists():
        raise DataError(f"There is no picture {path}; give the path of a PNG, JPEG or other picture file.")
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the path of one picture file.")


def _checked(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise DataError(
            f"Found an array of {array.dtype} with shape {array.shape}; a picture is a uint8 array (height, width, 3)."
        )
    return np.ascontiguousarray(array)


def _flat(image: Any, name: str) -> np.ndarray:
    """uint8 (height, width, 3) of a Pillow image, decoded only when its header promises a sane size."""
    from PIL import Image as Pil

    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name} has {width} x {height} = {width * height / 1e6:.0f} megapixels; at most {MAX_PIXELS // 10**6} are "
            "decoded. Make it smaller first."
        )
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
        levels = (np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8)
        return np.repeat(levels[:, :, None], 3, 2)
    flat = image.convert("RGBA")
    return np.asarray(Pil.alpha_composite(Pil.new("RGBA", flat.size, "white"), flat).convert("RGB"))
