"""`bothways size`: how many weights a recipe's model has, part by part, and what they take."""

from __future__ import annotations

from bothways.cli.terminal import RecipeArgument, SetOption, page, table

GIB = 2**30
AVERAGE_BYTES = 4  # a moving average in fp32
TRAINED_BYTES, FROZEN_BYTES = 16, 4  # fp32: weight, gradient and AdamW's two moments; weight alone


def size(recipe: RecipeArgument, changes: SetOption = ()) -> None:
    """Count the weights of a recipe's model and check that its parts fit, without allocating them."""
    from bothways.core.config import parse_overrides
    from bothways.recipes.recipe import load_recipe

    found = load_recipe(recipe, parse_overrides(changes), kind="model")
    found.model.head.check(found.model.learned.spec)  # said before torch is loaded
    from bothways.recipes.size import size_of

    measured, console = size_of(found), page()
    weights = table("part", "weights", "trained")
    for column in weights.columns[1:]:
        column.justify = "right"
    for name, number in measured.parts.items():
        weights.add_row(name, f"{number['total']:,}", f"{number['trained']:,}")
    for side, number in measured.tokenizers.items():
        weights.add_row(f"tokenizer, {side}", f"{number:,}", "frozen")
    console.print(weights)
    tokens = ", ".join(f"{name} {number}" for name, number in measured.tokens.items()) or "no source"
    console.print(f"\nTokens of a first sample: {tokens}.")
    every = measured.parts["all"]
    bytes_trained = TRAINED_BYTES + (AVERAGE_BYTES if found.train.average else 0)
    training = every["trained"] * bytes_trained + (every["total"] - every["trained"]) * FROZEN_BYTES
    console.print(f"Training in fp32 with AdamW: {_gib(training)}, activations left out.")
    console.print(f"Weights alone in bf16: {_gib(2 * every['total'])}.")


def _gib(number: int) -> str:
    return f"{number / GIB:.2f} GiB" if number > GIB / 10 else f"{number / 2**20:.1f} MiB"
