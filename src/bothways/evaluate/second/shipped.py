"""Which second readers ship, told from their cards. No torch here, so that a report can say why there is none."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from bothways.core.disk import read_json
from bothways.evaluate.second import SECOND_READERS
from bothways.evaluate.second.configs import SecondReaderConfig
from bothways.worlds.world import WorldConfig

ASSETS = Path(__file__).parents[2] / "assets"


def weights_of(kind: str) -> Path:
    """The weights of the second reader of a world's kind."""
    return ASSETS / f"second-{kind}.safetensors"


@lru_cache(maxsize=8)
def config_of(kind: str) -> SecondReaderConfig:
    """Its shape, as its card has it."""
    return SECOND_READERS.load(kind).parse(read_json(weights_of(kind).with_suffix(".json"))["recipe"]["reader"])


def why_none(world: WorldConfig, size_px: int) -> str | None:
    """Why no second reader reads pictures of that size of a world, in a sentence; None where one does."""
    shipped = [kind for kind in SECOND_READERS if weights_of(kind).is_file()]
    if world.kind not in shipped:
        return f"There is no second reader for the world `{world.kind}`; those of {' and '.join(shipped)} have one."
    config = config_of(world.kind)
    if size_px not in config.sizes_px:
        sizes = " and ".join(str(size) for size in config.sizes_px)
        return f"There is no second reader for pictures of {size_px} px; the one of `{world.kind}` reads {sizes} px."
    reason = config.labels().why_not(world)
    return None if reason is None else f"There is no second reader for this world of `{world.kind}`: {reason}."
