"""`bothways inspect`: samples of a recipe as the model gets them. Needs no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from bothways.cli.terminal import RecipeArgument, SetOption, page


def inspect(
    recipe: RecipeArgument,
    num: Annotated[int, typer.Option(min=1, help="Samples of each source.")] = 1,
    source: Annotated[str | None, typer.Option(help="Only this source, e.g. watch/draw.")] = None,
    draw_steps: Annotated[
        int | None, typer.Option(min=1, help="Show a step of drawing instead: the middle one of so many.", show_default="none")
    ] = None,
    changes: SetOption = (),
) -> None:
    """Print samples as x-rays: one column a token, and who predicts what, who may read whom.

    One sample of each source of the recipe's mixture, from the first step on. With --draw-steps, drawings alone: what is known
    and which places are asked for at once.
    """
    from bothways.core.config import parse_overrides
    from bothways.core.errors import ConfigError, unknown
    from bothways.layout.order import check_draw_steps
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
    if draw_steps is not None:
        check_draw_steps(draw_steps, found.model.learned.spec.num_tokens, found.model.drawing)
        if found.model.drawing.masked:
            raise ConfigError(
                "The model decides itself which tokens of a masked picture are known at a step, and reads them as in training; "
                "leave out --draw-steps."
            )
    wording, console = load_wording(found.model.text), page()
    for name in [source] if source else list(sources):
        for cursor in range(num):
            sample = sources[name].sample(cursor)
            if draw_steps is None:
                _show(found, sample, wording, console)
            elif sample.learns_image:
                _show_step(found, sample, wording, console, draw_steps)
    console.print(LEGEND, style="dim", markup=False, soft_wrap=True)


def _show(recipe, sample, wording, console) -> None:
    from rich.table import Table
    from rich.text import Text

    from bothways.layout.build import build
    from bothways.layout.sequence import Duty

    model = recipe.model
    sequence = build(sample, wording, **_specs(recipe), max_tokens=model.max_tokens)
    learned = int((sequence.duty != int(Duty.NONE)).sum())
    _head(console, sample, f"{len(sequence)} tokens, {learned} of them learned")
    told = Table.grid(padding=(0, 2))
    for segment in sample.segments:
        told.add_row(f"  {segment.speaker}", "learned" if segment.learn else "given", Text(_told(segment)))
    console.print(told)
    console.print()
    _print(sequence, wording, console)


def _show_step(recipe, sample, wording, console, draw_steps: int) -> None:
    from bothways.generate.trace import at_step, begun
    from bothways.layout.build import pieces

    sample, step = begun(sample), draw_steps // 2
    laid = pieces(sample, wording, **(_specs(recipe) | {"drawing": recipe.model.drawn_in(None)}))
    sequence, known = at_step(sample, laid, draw_steps, step)
    asked, all_of_them = int(sequence.private.sum()), recipe.model.learned.spec.num_tokens
    _head(console, sample, f"step {step + 1} of {draw_steps}: {known} of {all_of_them} known, {asked} asked for")
    console.print()
    _print(sequence, wording, console)


def _specs(recipe) -> dict:
    """The arguments that every layout of a recipe takes."""
    model = recipe.model
    return {
        "given": model.given.spec,
        "learned": model.learned.spec,
        "drawing": model.drawing,
        "causal_given": model.causal_given,
        "same_tokens": model.same_tokens,
        "seed": recipe.data.seed,
    }


def _head(console, sample, told: str) -> None:
    console.print(f"{sample.source}", style="bold", end="  ")
    console.print(f"{sample.id} · {told}", style="dim", markup=False)


def _print(sequence, wording, console) -> None:
    from bothways.layout.xray import xray

    console.print(xray(sequence, wording, width=min(console.width, 160)), markup=False, soft_wrap=True)
    console.print()


def _told(segment) -> str:
    from bothways.core.sample import Image

    return "<image>" if isinstance(segment, Image) else segment.content
