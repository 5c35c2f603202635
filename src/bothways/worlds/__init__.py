"""Synthetic worlds whose scenes are known: they draw pictures, speak about them, and read them back."""

from bothways.core.catalogue import Catalogue

WORLDS = Catalogue(
    "world",
    {
        "watch": "bothways.worlds.watch.config:WatchConfig",
        "shapes": "bothways.worlds.shapes.config:ShapesConfig",
    },
)
