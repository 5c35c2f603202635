"""A lab for unified vision-language models: one model that reads pictures and draws them.

    model = bothways.load("runs/vq-vq")
    model.answer("watch.png", "what is the weather?")
    model.draw("draw a watch that shows 3 hours and rain.", seed=1).save("drawn.png")

The public names below are loaded when first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ArrayPicture": "bothways.core.sample",
    "BothwaysError": "bothways.core.errors",
    "How": "bothways.heads.choose",
    "Image": "bothways.core.sample",
    "Model": "bothways.generate.model",
    "OpenTurn": "bothways.core.sample",
    "Region": "bothways.core.region",
    "Sample": "bothways.core.sample",
    "Text": "bothways.core.sample",
    "load": "bothways.generate.model",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bothways' has no attribute {name!r}; it offers {', '.join(sorted(_HOMES))}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
