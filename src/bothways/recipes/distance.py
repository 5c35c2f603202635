"""The distance between what a recipe's model reads and what it draws, on pictures of its world's validation split."""

from __future__ import annotations

import torch

from bothways.model.encodings import encodings_for
from bothways.recipes.recipe import Recipe
from bothways.vision.distance import Distance, distance


@torch.inference_mode()
def distance_of(recipe: Recipe, num_pictures: int = 1000) -> Distance:
    """Of the vectors that the model gets for given and for learned pictures. Raises: DataError for fewer than 40 pictures."""
    world = recipe.world.build()
    pictures = [world.picture("validation", index) for index in range(num_pictures)]
    encodings = encodings_for(recipe.model)
    given, learned = (side.tokenizer.vectors(side.tokens(pictures)).clone() for side in (encodings.given, encodings.learned))
    return distance(
        given, learned, encodings.given.tokenizer.spec.grid, encodings.learned.tokenizer.spec.grid, seed=recipe.model.seed
    )
