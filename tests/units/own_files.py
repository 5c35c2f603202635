"""Small folders of one's own data for tests: pictures of a few colours, and conversations about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bothways.core.randomness import rng
from bothways.data.configs import LlavaSourceConfig
from bothways.data.items import ItemSource


def picture(path: Path, number: int = 0, size: tuple[int, int] = (60, 40)) -> Path:
    """A coarse random pattern, (width, height) pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = rng(0, "own", number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(path)
    return path


def talk(*turns: str) -> list[dict[str, str]]:
    """Turns of human and gpt, one after the other."""
    return [{"from": ("human", "gpt")[number % 2], "value": value} for number, value in enumerate(turns)]


def reading(name: str, answer: str = "red", **more: Any) -> dict[str, Any]:
    return {"id": f"read {name}", "image": name, "conversations": talk("<image>\nwhich colour?", answer), **more}


def drawing(name: str, **more: Any) -> dict[str, Any]:
    """As P1's generator writes it: the picture is in the answer, and there is no id."""
    turns = talk("Please draw something red.", "Sure, here is the image. \n<image>")
    return {"task": "generation", "image": name, "conversations": turns, **more}


def write(folder: Path, records: Any, name: str = "samples.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records))
    return path


def folder(path: Path, num: int = 12) -> Path:
    """`num` pictures with a question each and a request each; returns the JSON file."""
    names = [picture(path / f"{number}.png", number).name for number in range(num)]
    return write(path, [item for name in names for item in (reading(name), drawing(name))])


def source(path: Path, name: str = "mine", seed: int = 0, **config: Any) -> ItemSource:
    return ItemSource(name, LlavaSourceConfig.parse({"path": str(path), "max_bad_share": 1.0} | config), seed)
