"""Both readers on pictures whose facts are known: renderings of the test split, and what tokenizers make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bothways.evaluate.agreement import compared
from bothways.evaluate.exam import SCALES
from bothways.evaluate.metrics import Scale, exact
from bothways.evaluate.second.configs import SecondReaderConfig
from bothways.evaluate.second.reader import SecondReader
from bothways.evaluate.second.training import rebuild
from bothways.vision.tokenizer import DECODED_TOGETHER, AbstractTokenizer, to_uint8, to_unit
from bothways.worlds.world import AbstractWorld, Split


def examination(
    config: SecondReaderConfig,
    weights: Path,
    world: AbstractWorld,
    tokenizers: Mapping[str, AbstractTokenizer],
    num: int,
) -> dict[str, Any]:
    """Condition ("clean, 64 px", "vq, 64 px", ..., "composition, 64 px") -> attribute -> what `shares` gives."""
    reader = SecondReader(config, weights, world.config)
    largest = max(config.sizes_px)
    pictures = {f"clean, {size} px": rendered(world, "test", num, size) for size in config.sizes_px}
    pictures |= {
        f"{name}, {tokenizer.spec.size_px} px": rebuilt(tokenizer, rendered(world, "test", num, tokenizer.spec.size_px))
        for name, tokenizer in tokenizers.items()
    }
    pictures[f"composition, {largest} px"] = rendered(world, "composition", num, largest)
    return {
        name: shares(world, "composition" if name.startswith("composition") else "test", seen, reader)
        for name, seen in pictures.items()
    }


def shares(world: AbstractWorld, split: Split, pictures: Sequence[np.ndarray], reader: SecondReader) -> dict[str, Any]:
    """Attribute -> shares of its facts: what each reader has right, what each finds unreadable, what both read the same."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for index, (pixels, second) in enumerate(zip(pictures, reader.read(pictures), strict=True)):
        facts = {name: value for name, value in world.facts(world.scene(split, index)).items() if name != "rgb"}
        shown = {name: value for name, value in facts.items() if value is not None}
        for name, pair in compared(world, shown, world.read(pixels).to_json(), second.to_json(), SCALES).items():
            attribute, scale = name.partition("@")[0], SCALES.get(name, Scale())
            rights = tuple(exact(value, pair.wanted, scale) for value in (pair.first, pair.second))
            lost = tuple(float(value is None) for value in (pair.first, pair.second))
            found.setdefault(attribute, []).append((*rights, *lost, float(pair.same)))
    columns = ("first_right", "second_right", "first_unreadable", "second_unreadable", "same")
    return {
        attribute: {"n": len(rows)} | dict(zip(columns, np.mean(rows, axis=0).round(4).tolist(), strict=True))
        for attribute, rows in found.items()
    }


def rendered(world: AbstractWorld, split: Split, num: int, size_px: int) -> list[np.ndarray]:
    """The first pictures of a split, uint8."""
    return [world.render(world.scene(split, index), size_px) for index in range(num)]


def rebuilt(tokenizer: AbstractTokenizer, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What a tokenizer makes of them, uint8; some at a time, for the memory that it takes."""
    parts = [pictures[start : start + DECODED_TOGETHER] for start in range(0, len(pictures), DECODED_TOGETHER)]
    return [picture for part in parts for picture in to_uint8(rebuild(tokenizer, to_unit(np.stack(part))))]
