"""`bothways inspect`: samples of a recipe as the model gets them. Needs no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from bothways.cli.terminal import RecipeArgument, SetOption, page


def inspect(
    recipe: RecipeArgument,
    num: Annotated[int, typer.Option(min=1, help="Samples of each source.")] = 1,
    source: Annotated[str | None, typer.Option(help="Only this source, e.g. watch/draw.")] = None,
    changes: SetOption = (),
) -> None:
    """Print samples as x-rays: one column a token, and who predicts what, who may read whom.

    One sample of each source of the recipe's mixture, from the first step on.
    """
    from bothways.core.config import parse_overrides
    from bothways.core.errors import ConfigError, unknown
    from bothways.layout.wording import load_wording
    from bothways.layout.xray import LEGEND
    from bothways.recipes.recipe import load_recipe
    from bothways.recipes.sources import sources_of

    found = load_recipe(recipe, parse_overrides(changes), kind="model")
    sources = sources_of(found, found.world.build())
    if source is not None and source not in sources:
        raise ConfigError(unknown("source", source, sources))
    if not sources:
        raise ConfigError(f"The recipe `{recipe}` has no sources, so there is nothing to show; set data.sources.")
    wording, console = load_wording(found.model.text), page()
    for name in [source] if source else list(sources):
        for cursor in range(num):
            _show(found, sources[name].sample(cursor), wording, console)
    console.print(LEGEND, style="dim", markup=False, soft_wrap=True)


def _show(recipe, sample, wording, console) -> None:
    from rich.table import Table
    from rich.text import Text

    from bothways.layout.build import build
    from bothways.layout.sequence import Duty
    from bothways.layout.xray import xray

    model = recipe.model
    sequence = build(
        sample,
        wording,
        model.given.spec,
        model.learned.spec,
        drawing=model.drawing,
        causal_given=model.causal_given,
        max_tokens=model.max_tokens,
        seed=recipe.data.seed,
    )
    learned = int((sequence.duty != int(Duty.NONE)).sum())
    console.print(f"{sample.source}", style="bold", end="  ")
    console.print(f"{sample.id} · {len(sequence)} tokens, {learned} of them learned", style="dim", markup=False)
    told = Table.grid(padding=(0, 2))
    for segment in sample.segments:
        told.add_row(f"  {segment.speaker}", "learned" if segment.learn else "given", Text(_told(segment)))
    console.print(told)
    console.print()
    console.print(xray(sequence, wording, width=min(console.width, 160)), markup=False, soft_wrap=True)
    console.print()


def _told(segment) -> str:
    from bothways.core.sample import Image

    return "<image>" if isinstance(segment, Image) else segment.content
