"""Names and colours of the watch world: disc colours, weather kinds, corners. Order matters: a dial takes the first n."""

from __future__ import annotations

# Separated by at least 0.25 in RGB (a test), so that jitter and a lossy tokenizer do not change the nearest name, and
# far from the white ground.
COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.14, 0.15),
    "green": (0.16, 0.60, 0.22),
    "blue": (0.15, 0.38, 0.88),
    "yellow": (0.97, 0.86, 0.15),
    "purple": (0.52, 0.22, 0.68),
    "orange": (0.98, 0.53, 0.08),
    "pink": (0.98, 0.60, 0.78),
    "cyan": (0.25, 0.80, 0.90),
    "brown": (0.46, 0.28, 0.13),
    "gray": (0.55, 0.55, 0.57),
    "navy": (0.07, 0.11, 0.42),
    "lime": (0.64, 0.90, 0.20),
    "teal": (0.05, 0.50, 0.53),
    "magenta": (0.90, 0.12, 0.68),
    "maroon": (0.48, 0.02, 0.20),
    "olive": (0.53, 0.54, 0.02),
    "lavender": (0.72, 0.66, 0.96),
    "mint": (0.58, 0.93, 0.68),
    "peach": (1.00, 0.79, 0.58),
    "black": (0.09, 0.09, 0.10),
    "salmon": (0.95, 0.45, 0.45),
    "indigo": (0.35, 0.10, 0.98),
    "forest": (0.04, 0.36, 0.12),
    "khaki": (0.74, 0.64, 0.36),
}

WEATHERS: tuple[str, ...] = (
    "sunny",
    "cloudy",
    "rainy",
    "snowy",
    "stormy",
    "windy",
    "foggy",
    "moonlit",
    "hailing",
    "hot",
    "drizzly",
    "dusty",
)

CORNERS: tuple[str, ...] = ("top left", "top right", "bottom left", "bottom right")

HANDS: tuple[str, ...] = ("hour", "minute", "second")


def nearest_color(rgb: tuple[float, float, float], num_colors: int) -> str:
    """The name among the first `num_colors` that lies nearest to `rgb` (three floats in [0, 1])."""
    names = list(COLORS)[:num_colors]
    return min(names, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLORS[name], rgb, strict=True)))
