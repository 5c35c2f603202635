"""`bothways study`: what can be asked (`list`), what it would take (`plan`), asking it (`run`), what came out (`report`),
and how far verdicts can be trusted (`simulate`). What is done before, on pilots: pilot.py."""

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
        planned = plan_from(name)
        about = Text(planned.study.title) + Text(f"\n{planned.study.question}", style="dim")
        listed.add_row(name, about + Text(f"\none seed is {cost_of(planned)}\n"))
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
    from bothways.cli.study_plan import show
    from bothways.study.registration import digest_of_plan, register

    planned = plan_from(study, seeds, changes, base)
    show(planned, page())
    say(f"The plan's hash is {register(planned, out) if out else digest_of_plan(planned)}.")


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
    planned = plan_from(study, seeds, changes, base)
    notice(f"{planned.study.title}\n{cost_of(planned) * len(planned.study.seeds)}.")
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


def plan_from(name: str, seeds: int | None = None, changes: list[str] | tuple[str, ...] = (), base: str | None = None) -> Plan:
    """The study and its plan; a confounded one is refused here."""
    from bothways.core.config import parse_overrides
    from bothways.studies import MADE, STUDIES
    from bothways.study.load import Known, load_study
    from bothways.study.plan import plan_of

    known, chosen = Known(STUDIES, MADE), None if seeds is None else range(seeds)
    return plan_of(load_study(name, known, chosen, parse_overrides(list(changes)), base))
