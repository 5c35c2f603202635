"""The grid: every pair of a given and a learned tokenizer, trained both ways at the quickstart's budget, on every world.

P1 (arXiv 2505.23043) has the four cells of vq and SigLIP; `semantic` and `captioned` stand for the latter, without and with
words. A description and no study: one seed, the unified arm alone, nothing is compared and nothing decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bothways.core.errors import ConfigError
from bothways.recipes.recipe import load_recipe
from bothways.study.grid import Grid
from bothways.study.job import Job
from bothways.worlds import WORLDS

CELLS = (
    "vq-vq",
    "semantic-vq",
    "captioned-vq",
    "vq-semantic",
    "semantic-semantic",
    "captioned-semantic",
    "vq-captioned",
    "semantic-captioned",
    "captioned-captioned",
)


def grid(
    out: Path, cells: Sequence[str] = CELLS, worlds: Sequence[str] | None = None, changes: dict[str, Any] | None = None
) -> Grid:
    """The grid's runs, nothing started. `cells`: recipes, by name or YAML file. `worlds`: kinds; default: all that there are.

    Raises: ConfigError for an unknown cell, world or key, or for one cell named twice.
    """
    jobs: dict[tuple[str, str], Job] = {}
    for world in worlds or tuple(WORLDS):
        for cell in cells:
            recipe = load_recipe(cell, {"world.kind": world, **(changes or {})}, kind="model")
            if (world, recipe.name) in jobs:
                raise ConfigError(f"Found the cell `{recipe.name}` on the world {world} twice; name each once.")
            folder = out / f"{world}-{recipe.name}"
            jobs[world, recipe.name] = Job(recipe.name, None, recipe, folder, out / "cache", reads=True, draws=True)
    return Grid(out, jobs)
