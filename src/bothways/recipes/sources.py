"""Where a recipe's samples come from. No torch here: samples can be printed without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bothways.core.disk import read_json, write_atomic, write_json
from bothways.core.errors import DataError, RunError
from bothways.core.sample import Sample
from bothways.data.configs import WorldSourceConfig, kind_of
from bothways.data.items import ItemSource
from bothways.data.source import Source
from bothways.recipes.recipe import Recipe
from bothways.worlds.world import AbstractWorld

# Kinds of a world's sources whose skill an exam can ask for.
READING, DRAWING, EDITING = ("vqa", "caption"), ("draw",), ("edit",)
BAD_ITEMS = "bad_items.jsonl"  # in the run folder: a line an item that cannot be used, with its id and why
_FILES = "data.json"  # in the run folder's parts: checksums of one's own data files


def sources_of(recipe: Recipe, world: AbstractWorld) -> dict[str, Source]:
    """The sources of the recipe's mixture, by name. Raises: ConfigError or DataError when one cannot be had."""
    return {name: source.build(name, world, recipe.data.seed) for name, source in recipe.data.sources.items()}


def trains(recipe: Recipe, kinds: tuple[str, ...]) -> bool:
    """Whether any source of a world of one of these kinds gives samples to a step."""
    return any(
        _taught(name, source) in kinds
        for name, source in recipe.data.sources.items()
        if source.samples_per_step and isinstance(source, WorldSourceConfig)
    )


def _taught(name: str, source: WorldSourceConfig) -> str:
    """The kind of source whose skill is trained: of a reversed one, that of the other direction."""
    kind = kind_of(name)
    return kind if source.pairing != "reversed" else "caption" if kind in DRAWING else "draw"


def own(sources: Mapping[str, Source]) -> dict[str, ItemSource]:
    """The sources that are one's own data."""
    return {name: source for name, source in sources.items() if isinstance(source, ItemSource)}


def own_of(recipe: Recipe, world: AbstractWorld, fits: Callable[[Sample], object]) -> dict[str, ItemSource]:
    """The recipe's own data, those items left out that `fits` refuses. Raises: as `sources_of`."""
    taken = {name: source for name, source in recipe.data.sources.items() if not isinstance(source, WorldSourceConfig)}
    found = {name: source.build(name, world, recipe.data.seed) for name, source in taken.items()}
    for source in found.values():
        source.keep(fits)
    return own(found)


def refuse_bad(sources: Mapping[str, Source], out: Path) -> None:
    """Raises: DataError when a source holds too many bad items. They are then listed in `out`, where no run is yet."""
    for source in own(sources).values():
        try:
            source.refuse_if_too_bad()
        except DataError as error:
            if (out / "config.yaml").exists() or not source.bad:
                raise
            list_bad(sources, out)
            raise DataError(f"{error} All of them: {out / BAD_ITEMS}.") from None


def list_bad(sources: Mapping[str, Source], out: Path) -> None:
    """Writes the bad items of all sources into `out`; no file where no source is one's own."""
    mine = own(sources).values()
    lines = [json.dumps(bad.to_dict(), ensure_ascii=False) + "\n" for source in mine for bad in source.bad]
    if mine:
        write_atomic(out / BAD_ITEMS, "".join(lines))


def keep_files(sources: Mapping[str, Source], run: Path) -> None:
    """Remembers which files a run began with. Raises: RunError when it goes on with others."""
    found = {name: source.items.checksum for name, source in own(sources).items()}
    path = run / "parts" / _FILES
    began = read_json(path) if path.exists() else found
    for name, checksum in found.items():
        if began.get(name, checksum) != checksum:
            raise RunError(
                f"The file of `{name}` is not the one that the run {run} began with, so steps would hold other samples; put "
                "the old file back, or train again in a new folder."
            )
    if found:
        write_json(path, found)


def facts(sources: Mapping[str, Source]) -> dict[str, dict[str, Any]]:
    """What provenance.json tells of one's own data: numbers of items by source, and what was ignored."""
    return {
        name: {
            "items": len(source.items),
            "trained": len(source.train),
            "held_out": len(source.held_out),
            "bad": len(source.bad),
            "notices": list(source.items.notices),
        }
        for name, source in own(sources).items()
    }
