"""What every reader does first: refuse what is no square colour picture, and scale what its world never draws so large."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bothways.core.errors import DataError


def fitted(pixels: np.ndarray, min_px: int, max_px: int) -> np.ndarray:
    """The picture, scaled to the nearest side from `min_px` to `max_px` where it lies outside.

    Raises: DataError for anything but uint8 (size, size, 3).
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.shape[0] != pixels.shape[1]:
        raise DataError(
            f"Found an array of {pixels.dtype} with shape {pixels.shape}; the reader takes square colour pictures, "
            "uint8 (size, size, 3). Crop the picture to a square first."
        )
    size = len(pixels)
    if size == 0:
        raise DataError("Found a picture without pixels; the reader needs at least one.")
    fitting = min(max(size, min_px), max_px)
    if size == fitting:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((fitting, fitting), Image.Resampling.LANCZOS))
