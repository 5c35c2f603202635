"""Pictures that belong to no world: blank pages, noise, photographs."""

from __future__ import annotations

import matplotlib.cbook
import numpy as np
import watch_damage as damage
from PIL import Image


def pictures_of_nothing(size_px: int) -> dict[str, np.ndarray]:
    """uint8 (size_px, size_px, 3) by name."""
    generator = np.random.default_rng(3)
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = Image.open(file).convert("RGB")
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size_px), np.fft.fftfreq(size_px)))[..., None] + 1 / size_px
    pink = np.fft.ifft2(np.fft.fft2(generator.normal(size=(size_px, size_px, 3)), axes=(0, 1)) / frequency, axes=(0, 1)).real
    pink = (255 * (pink - pink.min()) / np.ptp(pink)).astype(np.uint8)
    crops = {f"photograph at {y}": photograph.crop((0, y, 500, y + 500)).resize((size_px, size_px)) for y in (0, 50, 100)}
    return {
        "white": np.full((size_px, size_px, 3), 255, np.uint8),
        "black": np.zeros((size_px, size_px, 3), np.uint8),
        "white noise": generator.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8),
        "pink noise": pink,
        "noise on white": damage.noisy(np.full((size_px, size_px, 3), 255, np.uint8), 1),
        **{name: np.asarray(crop) for name, crop in crops.items()},
    }
