"""Where a recipe's samples come from. No torch here: samples can be printed without it."""

from __future__ import annotations

from bothways.core.errors import ConfigError, unknown
from bothways.data.worlds import WorldSource
from bothways.recipes.recipe import Recipe
from bothways.worlds.world import AbstractWorld

READING, DRAWING = ("vqa", "caption"), ("draw",)  # kinds of sources whose skill an exam can ask for


def sources_of(recipe: Recipe, world: AbstractWorld) -> dict[str, WorldSource]:
    """The sources of the recipe's mixture, by name. Raises: ConfigError when a name is not `world/kind` of its world."""
    found = {}
    for name, source in recipe.data.sources.items():
        room, _, kind = name.partition("/")
        if room != world.kind:
            raise ConfigError(unknown("world in data.sources:", room, [world.kind]))
        found[name] = WorldSource(world, kind, "train", source.num_pictures, source.pool, recipe.data.seed)
    return found


def trains(recipe: Recipe, kinds: tuple[str, ...]) -> bool:
    """Whether any source of one of these kinds gives samples to a step."""
    taken = [name for name, source in recipe.data.sources.items() if source.samples_per_step]
    return any(name.partition("/")[2] in kinds for name in taken)
