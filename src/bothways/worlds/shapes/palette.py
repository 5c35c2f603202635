"""Names and colours of the shapes world: kinds, colours, grounds, sizes, places. Order matters: a dial takes the first n."""

from __future__ import annotations

KINDS: tuple[str, ...] = ("circle", "square", "triangle", "star", "cross", "diamond")

# Two of these are at least 0.35 apart in RGB, each is at least 0.35 from every ground, and grounds are at least 0.3 apart
# (a test), so that jitter, noise and a lossy tokenizer do not change the nearest name.
COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.10, 0.12),
    "green": (0.10, 0.66, 0.20),
    "blue": (0.10, 0.30, 0.92),
    "yellow": (0.98, 0.85, 0.05),
    "purple": (0.55, 0.15, 0.75),
    "orange": (0.98, 0.50, 0.05),
    "cyan": (0.10, 0.80, 0.92),
    "pink": (1.00, 0.46, 0.74),
    "lime": (0.55, 0.95, 0.10),
    "brown": (0.60, 0.33, 0.04),
    "magenta": (0.92, 0.08, 0.68),
    "teal": (0.02, 0.52, 0.56),
}

# Light and dark neutrals, and two with a tint.
GROUNDS: dict[str, tuple[float, float, float]] = {
    "white": (0.98, 0.98, 0.98),
    "black": (0.05, 0.05, 0.05),
    "silver": (0.75, 0.75, 0.77),
    "navy": (0.06, 0.07, 0.41),
    "cream": (0.98, 0.92, 0.66),
    "charcoal": (0.26, 0.26, 0.26),
}

SIZES: tuple[str, ...] = ("small", "large")

# Rows of three, from the top left.
PLACES: tuple[str, ...] = (
    "top left",
    "top",
    "top right",
    "left",
    "middle",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)
