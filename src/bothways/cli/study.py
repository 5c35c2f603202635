"""`bothways study`: what can be asked (`list`), what it would take (`plan`), asking it (`run`), what came out (`report`),
and how far verdicts can be trusted (`simulate`). What is done before, on pilots: pilot.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import SetOption, notice, page, progress, say, table
from bothways.core.errors import RunError

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A name from `bothways study list`, or a YAML file.")]
SeedsOption = Annotated[
    int | None, typer.Option(min=1, help="Runs of each arm; below five no verdict.", show_default="the study's own")
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
        listed.add_row(name, about + Text(f"\n{cost_of(planned)}\n"))
    page().print(listed)


def plan(
    study: StudyArgument,
    seeds: SeedsOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Register the plan in this folder.", show_default="nothing is written")
    ] = None,
    changes: SetOption = (),
) -> None:
    """Show what a study would do: every arm as a difference from its base, cost, and the smallest effect that it can see."""
    from bothways.study.cost import cost_of
    from bothways.study.registration import digest_of_plan, register

    planned = plan_from(study, seeds, changes)
    found, console = planned.study, page()
    console.print(f"[bold]{found.title}[/bold]\n{found.question}\n")
    told = table("", "")
    for name, text in (("claim", found.claim), ("expectation", found.expectation), ("rule", found.rule)):
        told.add_row(f"[bold]{name}[/bold]", text)
    if found.tuned:
        told.add_row("[bold]tuned[/bold]", found.tuned.sentence)
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
    changes: SetOption = (),
) -> None:
    """Run a study: register its plan, train every arm, examine it, and report with a verdict."""
    from bothways.study.cost import cost_of

    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; expected a folder for runs and report: choose another --out.")
    planned = plan_from(study, seeds, changes)
    notice(f"{planned.study.title}\n{_seeds(len(planned.study.seeds))}; {cost_of(planned)}.")
    from bothways.study.run import run as run_study

    say(f"The report is {run_study(planned.study, out, progress(), runs=runs, cluster=on)}")


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


def plan_from(name: str, seeds: int | None = None, changes: list[str] | tuple[str, ...] = ()):
    """The study and its plan; a confounded one is refused here."""
    from bothways.core.config import parse_overrides
    from bothways.studies import STUDIES
    from bothways.study.load import load_study
    from bothways.study.plan import plan_of

    return plan_of(load_study(name, STUDIES, None if seeds is None else range(seeds), parse_overrides(list(changes))))


def _detectable(seed_sd: float | None, num_seeds: int) -> str:
    from bothways.evaluate.statistics import detectable

    if seed_sd is None:
        return "?"
    return "nothing" if num_seeds < 2 else f"{detectable(seed_sd, num_seeds):.2f}"


def _seeds(num: int) -> str:
    return "one seed" if num == 1 else f"{num} seeds"
