"""`bothways synergy`: what reading and drawing gain from each other in one recipe, on one card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways.cli.terminal import SetOption, notice, page, progress, say, table

if TYPE_CHECKING:
    from rich.console import Console

    from bothways.study.study import Study
    from bothways.study.synergy import Card


def synergy(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE_OR_RUN", help="A name from `bothways recipes`, a YAML file, or the folder of a run."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for runs, report and card; a stopped card goes on there.")],
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm; below five the card is a pilot.")] = 5,
    runs: Annotated[Path | None, typer.Option(help="Folder of runs that studies share.", show_default="OUT/runs")] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="N,N", help="Also read so few pictures, alone and with drawing: labels saved.", show_default=False
        ),
    ] = "",
    changes: SetOption = (),
) -> None:
    """Run the short control ladder over a recipe and print its synergy card.

    Writes card.html, card.md and card.json beside the report. "Mutual" is said only where both directions beat their best
    placebo. Learning curves and shares of the gradient are switched on where the recipe has none; --set has the last word.
    """
    from bothways.core.config import parse_overrides
    from bothways.core.errors import RunError

    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; expected a folder for runs and card: choose another --out.")
    from bothways.study.cost import cost_of
    from bothways.study.plan import plan_of
    from bothways.study.synergy import card_of
    from bothways.study.synergy_card import write_card

    study = _study(recipe, seeds, _numbers(labels), list(changes))
    planned = plan_of(study)
    notice(f"{len(study.arms)} arms, {'one seed' if seeds == 1 else f'{seeds} seeds'}: {cost_of(planned) * seeds}.")
    own = [f"{key}={value}" for key, value in study.base_changes.items() if key not in parse_overrides(list(changes))]
    notice(f"Set in every arm, unless --set says otherwise: {', '.join(own)}.")
    from bothways.study.run import results, run

    run(study, out, progress(), runs=runs)
    card = card_of(results(study, out, runs))
    _show(card)
    say(f"The card is {write_card(card, out)}")


def _study(recipe: str, seeds: int, labels: list[int], changes: list[str]) -> Study:
    """The study of a card over a recipe, or over that of a run, with these changes in every arm."""
    from bothways.core.config import parse_overrides
    from bothways.studies.synergy import synergy as study_of
    from bothways.study.load import base_of
    from bothways.study.study import Study

    changed = parse_overrides(changes)
    world = changed.pop("world.kind", None)
    found = study_of(base_of(recipe), world, labels=labels, changes=changed)
    return Study.parse(
        found.to_dict() | {"seeds": list(range(seeds)), "reproduce": f"bothways synergy {recipe} --seeds {seeds}"}
    )


def _numbers(labels: str) -> list[int]:
    """ "50,100" -> [50, 100]. Raises: ConfigError for anything but whole numbers."""
    from bothways.core.errors import ConfigError

    try:
        return [int(part) for part in labels.split(",") if labels]
    except ValueError:
        raise ConfigError(f"Found --labels {labels}; expected whole numbers, for example --labels 50,100.") from None


def _show(card: Card) -> None:
    from rich.text import Text

    from bothways.study.synergy_card import NOT_SHOWN, RESULTS, RULE, costs, facts, headline, labels, rows

    console = page()
    console.print(Text(f"Synergy card: {RESULTS[card.result]}", style="bold"))
    _print_rows(console, facts(card))
    for one in card.directions:
        console.print()
        console.print(Text.assemble((one.skill, "bold"), f": {headline(one)}"))
        _print_rows(console, rows(one))
    console.print(Text("\nlabels", style="bold"))
    _print_rows(console, labels(card))
    spent = table("one run", "operations", "samples", "seconds")
    for row in costs(card):
        spent.add_row(*row)
    for part in ("", spent, "", Text(RULE)):
        console.print(part)
    console.print(Text("Not on this card: " + " ".join(NOT_SHOWN), style="dim"))


def _print_rows(console: Console, lines: list[tuple[str, str]]) -> None:
    from rich.text import Text

    shown = table("", "")
    shown.show_header = False
    shown.columns[1].overflow = "fold"  # a long path goes on in the next line instead of ending in dots
    for name, told in lines:
        shown.add_row(name, Text(told))
    console.print(shown)
