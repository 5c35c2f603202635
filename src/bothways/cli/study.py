"""`bothways study`: what can be asked (`list`), what it would take (`plan`), where it can be decided (`calibrate`), asking it
(`run`), what came out (`report`), and how far verdicts can be trusted (`simulate`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bothways.cli.terminal import SetOption, notice, page, progress, say, table
from bothways.core.errors import RunError

if TYPE_CHECKING:
    from bothways.study.plan import Plan

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A name from `bothways study list`, or a YAML file.")]
SeedsOption = Annotated[
    int | None, typer.Option(min=1, help="Runs of each arm; below five no verdict.", show_default="the study's own")
]
BaseOption = Annotated[
    str | None,
    typer.Option(metavar="RECIPE_OR_RUN", help="Ask it of this recipe, or of a run's.", show_default="the study's own"),
]
RunsOption = Annotated[Path | None, typer.Option(help="Folder of runs that studies share.", show_default="OUT/runs")]


def list_() -> None:
    """List the studies: each a question with arms, controls and a verdict rule, and what one seed of it costs."""
    from rich.text import Text

    from bothways.studies import STUDIES
    from bothways.study.cost import cost_of

    listed = table("study", "question and cost")
    for name in STUDIES:
        planned = _planned(name)
        about = Text(planned.study.title) + Text(f"\n{planned.study.question}", style="dim")
        listed.add_row(name, about + Text(f"\n{cost_of(planned)}\n"))
    page().print(listed)


def plan(
    study: StudyArgument,
    seeds: SeedsOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Register the plan in this folder.", show_default="nothing is written")
    ] = None,
    base: BaseOption = None,
    changes: SetOption = (),
) -> None:
    """Show what a study would do: every arm as a difference from its base, cost, and the smallest effect that it can see."""
    from bothways.study.cost import cost_of
    from bothways.study.registration import digest_of_plan, register

    planned = _planned(study, seeds, changes, base)
    found, console = planned.study, page()
    console.print(f"[bold]{found.title}[/bold]\n{found.question}\n")
    told = table("", "")
    for name, text in (("claim", found.claim), ("expectation", found.expectation), ("rule", found.rule)):
        told.add_row(f"[bold]{name}[/bold]", text)
    if found.dial:
        told.add_row("[bold]plotted along[/bold]", found.dial.name)
    told.show_header = False
    console.print(told)
    console.print()
    arms = table("arm", f"differs from `{found.base}` in")
    arms.columns[1].overflow = "fold"  # a long key goes on in the next line instead of ending in dots
    for arm in found.arms:
        changed = [f"{key} = {value}" for key, value in arm.changes.items()] or ["nothing"]
        arms.add_row(arm.name, "\n".join(changed))
    console.print(arms)
    if found.base_changes:
        console.print(f"\nin every arm {', '.join(f'{key} = {value}' for key, value in found.base_changes.items())}")
    sights = table("\ntreatment\ncontrol", "\n\nmeasure", "\nmatters\nfrom", "\nseen\nfrom")
    for one in found.comparisons:
        seen = _detectable(one.seed_sd, len(found.seeds))
        sights.add_row(f"{one.treatment}\n{one.control}", one.primary, f"{one.minimum_effect:g}", seen)
    console.print(sights)
    console.print("Seen from: the smallest true effect found four times in five; ? where no spread over seeds is known.")
    console.print(f"\n{_seeds(len(found.seeds))}; {cost_of(planned)}.")
    if len(found.seeds) < found.min_seeds:
        console.print(f"With fewer than {found.min_seeds} seeds there is no verdict but `pilot` and `undecided`.")
    console.print(f"The plan's hash is {register(planned, out) if out else digest_of_plan(planned)}.")


def run(
    study: StudyArgument,
    out: Annotated[Path, typer.Option(help="Folder for runs and report; a stopped study goes on there.")],
    seeds: SeedsOption = None,
    runs: RunsOption = None,
    on: Annotated[
        str | None,
        typer.Option(help="A Ray cluster: local-cluster, auto, HOST:PORT or ray://...", show_default="processes here"),
    ] = None,
    base: BaseOption = None,
    stack: Annotated[
        int, typer.Option(min=1, help="Seeds of an arm that are trained as one stacked model, in one process; meant for GPUs.")
    ] = 1,
    changes: SetOption = (),
) -> None:
    """Run a study: register its plan, train every arm, examine it, and report with a verdict."""
    from bothways.study.cost import cost_of

    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; expected a folder for runs and report: choose another --out.")
    planned = _planned(study, seeds, changes, base)
    notice(f"{planned.study.title}\n{_seeds(len(planned.study.seeds))}; {cost_of(planned)}.")
    from bothways.study.run import run as run_study

    say(f"The report is {run_study(planned.study, out, progress(), runs=runs, cluster=on, stack=stack)}")


def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder that `bothways study run` was given.")],
    runs: RunsOption = None,
) -> None:
    """Write the report of a study again from its files; one that is not finished reports what is there, and says so."""
    from bothways.study.registration import amendments, registered
    from bothways.study.study import Study

    held = registered(out)
    if held is None:
        raise RunError(f"No study is registered in {out}; give the folder that `bothways study run --out` named.")
    planned = (amendments(out) or [held])[-1]["plan"]["study"]
    from bothways.study.run import report as write

    say(f"The report is {write(Study.parse(planned, where=str(out)), out, runs)}")


def calibrate(
    study: StudyArgument,
    out: Annotated[Path, typer.Option(help="Folder for the pilot's runs; a stopped pilot goes on there.")],
    tried: Annotated[
        list[str], typer.Option("--try", metavar="KEY=A,B,C", help="Values to try, e.g. train.steps=300,600; may be repeated.")
    ],
    seeds: Annotated[int, typer.Option(min=2, help="Pilot seeds; no study may use them again.")] = 3,
    base: BaseOption = None,
    changes: SetOption = (),
) -> None:
    """Find a setting where a study can be decided: each skill alone, on pilot seeds, off the floor and off the ceiling."""
    from bothways.core.config import parse_overrides
    from bothways.study.calibrate import calibrate as calibrated

    axes = {key: values if isinstance(values, list) else [values] for key, values in parse_overrides(_as_lists(tried)).items()}
    console = progress()

    def train(jobs) -> None:
        from bothways.study.run import execute

        execute(jobs, console)

    found, chosen = calibrated(_planned(study, None, changes, base).study, axes, out, train, seeds)
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
    else:
        say(f"The study at the setting with the smallest spread is {out / 'study.yaml'}")


def simulate(
    studies: Annotated[int, typer.Option(min=100, help="Simulated studies a row.")] = 2000,
) -> None:
    """Judge simulated studies whose truth is known: how often intervals cover, and how often verdicts are false."""
    from bothways.study.simulate import simulate as simulated

    shown = table(
        "truth", "seeds", "covers\n(95 %)", "... over\nseeds", "... boot-\nstrap", "false\nsupport", "true\neffect",
        "sup-\nported", "pro-\nmised",
    )  # fmt: skip
    with progress().status("judging") as status:
        for row in simulated(studies, progress=lambda: status.update("judging")):
            shares = (f"{100 * value:.1f} %" for value in (row.covers, row.student, row.bootstrap, row.false_support))
            power = (f"{row.effect:g}", f"{100 * row.power:.0f} %", f"{100 * row.promised:.0f} %")
            shown.add_row(row.truth, str(row.num_seeds), *shares, *power)
    page().print(shown)


def _planned(name: str, seeds: int | None = None, changes: list[str] | tuple[str, ...] = (), base: str | None = None) -> Plan:
    """The study and its plan; a confounded one is refused here."""
    from bothways.core.config import parse_overrides
    from bothways.studies import MADE, STUDIES
    from bothways.study.load import Known, load_study
    from bothways.study.plan import plan_of

    known, chosen = Known(STUDIES, MADE), None if seeds is None else range(seeds)
    return plan_of(load_study(name, known, chosen, parse_overrides(list(changes)), base))


def _as_lists(pairs: list[str]) -> list[str]:
    """["a=1,2"] -> ["a=[1,2]"]; a value in brackets or braces stays as it is."""
    split = [pair.partition("=") for pair in pairs]
    return [f"{key}{equals}[{value}]" if value[:1] not in "[{" else f"{key}{equals}{value}" for key, equals, value in split]


def _detectable(seed_sd: float | None, num_seeds: int) -> str:
    from bothways.evaluate.statistics import detectable

    if seed_sd is None:
        return "?"
    return "nothing" if num_seeds < 2 else f"{detectable(seed_sd, num_seeds):.2f}"


def _seeds(num: int) -> str:
    return "one seed" if num == 1 else f"{num} seeds"
