"""`bothways distance`: how far the tokens that a model reads lie from those that it draws."""

from __future__ import annotations

from typing import Annotated

import typer

from bothways.cli.terminal import RecipeArgument, SetOption, page, table


def distance(
    recipe: RecipeArgument,
    num: Annotated[int, typer.Option(min=40, help="Pictures; three quarters are fitted, the rest is scored.")] = 1000,
    changes: SetOption = (),
) -> None:
    """Measure how well the learned tokens are linearly predicted from the given ones: the x-axis of alignment.

    Shares of variance on pictures not fitted, 1 = known. A rotation is linear and shows in the last row alone.
    """
    from bothways.core.config import parse_overrides
    from bothways.recipes.recipe import load_recipe

    found = load_recipe(recipe, parse_overrides(changes), kind="model")
    from bothways.recipes.distance import distance_of

    measured, console = distance_of(found, num), page()
    shares = table("learned vectors predicted from", "R2")
    shares.add_row("the given token at the same place", _share(measured.same_place))
    shares.add_row("the same of another picture (control)", _share(measured.of_others))
    shares.add_row("all given tokens of the picture", _share(measured.whole_picture))
    shares.add_row("the given vectors as they are, no map", _share(measured.as_they_are))
    console.print(shares)
    side = found.model.learned.spec.grid[-1]
    console.print(f"\nR2 by place ({measured.num_fitted} pictures fitted, {measured.num_scored} scored)")
    for start in range(0, len(measured.by_place), side):
        console.print("  " + " ".join(f"{share:5.2f}" for share in measured.by_place[start : start + side]))


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
