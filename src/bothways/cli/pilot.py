"""What is done before a study is run, on pilots: finding where it can be decided (`bothways study calibrate`) and the best
setting of each arm (`bothways study tune`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.study import BaseOption, StudyArgument, plan_from
from bothways.cli.terminal import SetOption, notice, page, progress, say, table

TryOption = Annotated[
    list[str], typer.Option("--try", metavar="KEY=A,B,C", help="Values to try, e.g. train.steps=300,600; may be repeated.")
]
PilotSeedsOption = Annotated[int, typer.Option(min=2, help="Pilot seeds; no study may use them again.")]


def calibrate(
    study: StudyArgument,
    out: Annotated[Path, typer.Option(help="Folder for the pilot's runs; a stopped pilot goes on there.")],
    tried: TryOption,
    seeds: PilotSeedsOption = 3,
    base: BaseOption = None,
    changes: SetOption = (),
) -> None:
    """Find a setting where a study can be decided: each skill alone, on pilot seeds, off the floor and off the ceiling."""
    from bothways.study.calibrate import TWO_GROUPS
    from bothways.study.calibrate import calibrate as calibrated

    found, chosen = calibrated(plan_from(study, None, changes, base).study, _axes(tried), out, _train, seeds)
    shown = table("setting", "reading\nalone", "\nsd", "drawing\nalone", "\nsd", "\nverdict")
    for one in found:
        pilots = [one.pilots[skill] for skill in ("reading", "drawing")]
        numbers = (f"{value:.2f}" for pilot in pilots for value in (pilot.mean, pilot.sd))
        changed = "\n".join(f"{key} = {value}" for key, value in one.changes.items())
        faults = [f"{skill} {pilot.fault}" for skill, pilot in one.pilots.items() if pilot.fault]
        shown.add_row(changed, *numbers, "; ".join(faults) or "fits")
    page().print(shown)
    if chosen is None:
        say("No setting fits: a study at any of them cannot decide. Try others, or read the report as a pilot.")
        if any(pilot.fault == TWO_GROUPS for one in found for pilot in one.pilots.values()):
            say("A skill that comes at once can be compared by when it reaches a level: `reaches` in docs/adding.md.")
    else:
        say(f"The study at the setting with the smallest spread is {out / 'study.yaml'}")


def tune(
    study: StudyArgument,
    out: Annotated[Path, typer.Option(help="Folder for the pilot's runs; a stopped pilot goes on there.")],
    tried: TryOption,
    trials: Annotated[
        int | None, typer.Option(min=2, help="Settings tried, drawn from all combinations.", show_default="all of them")
    ] = None,
    seeds: PilotSeedsOption = 3,
    base: BaseOption = None,
    changes: SetOption = (),
) -> None:
    """Find the best setting of each arm: the same trials for every arm, on pilot seeds and the validation split.

    An arm's score is the mean over the primary measures of the comparisons that it takes part in.

    Settings of train, model and data (learning rate, loss weights) are trained anew; for ways of drawing (exam.guidance,
    exam.temperature) an arm only draws again.

    The study that comes of it runs on other seeds and on the test split.
    """
    from bothways.study.tune import tune as tuned

    arms, found = tuned(plan_from(study, None, changes, base).study, _axes(tried), out, _train, seeds, trials)
    shown = table("arm", "setting", "score", "sd", "")
    for arm in arms:
        for one in arm.trials:
            setting = "\n".join(f"{key} = {value}" for key, value in one.changes.items())
            shown.add_row(arm.name, setting, f"{one.score:.3f}", f"{one.sd:.3f}", "best" if one is arm.chosen else "")
    page().print(shown)
    for arm in arms:
        if arm.is_tied:
            say(f"{arm.name}: no trial was better than another, so it takes the first.")
        for key, end in arm.edges.items():
            say(f"{arm.name}: {key} = {arm.chosen.changes[key]} is the {end} value tried; a better one may lie beyond.")
    say(f"The study with each of its {len(found.arms)} arms at its own best setting is {out / 'study.yaml'}")


def _train(jobs: list) -> None:
    """Trains and examines pilots."""
    from bothways.study.run import execute

    notice(f"{len(jobs)} runs, {sum(job.is_done for job in jobs)} of them finished.")
    execute(jobs, progress())


def _axes(tried: list[str]) -> dict[str, list]:
    """["a=1,2"] -> {"a": [1, 2]}. Raises: ConfigError when a pair cannot be read."""
    from bothways.core.config import parse_overrides

    return {key: values if isinstance(values, list) else [values] for key, values in parse_overrides(_as_lists(tried)).items()}


def _as_lists(pairs: list[str]) -> list[str]:
    """["a=1,2"] -> ["a=[1,2]"]; a value in brackets or braces stays as it is."""
    split = [pair.partition("=") for pair in pairs]
    return [f"{key}{equals}[{value}]" if value[:1] not in "[{" else f"{key}{equals}{value}" for key, equals, value in split]
