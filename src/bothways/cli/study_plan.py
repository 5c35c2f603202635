"""What `bothways study plan` shows: what is asked, every arm as a difference from the base, what it costs, what can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bothways.cli.terminal import table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bothways.study.cost import Cost
    from bothways.study.plan import Plan
    from bothways.study.study import Study


def show(planned: Plan, console: Console) -> None:
    """Prints all of it. Torch is loaded for the operations of training; where they cannot be known, it says why."""
    study = planned.study
    console.print(f"[bold]{study.title}[/bold]\n{study.question}\n")
    for one in (_asked(study), "", _arms(study)):
        console.print(one)
    if study.base_changes:
        console.print(f"\nin every arm {', '.join(f'{key} = {value}' for key, value in study.base_changes.items())}")
    console.print(_sights(study))
    console.print(
        "Seen from: the smallest true effect found four times in five; ? where no spread over seeds is known: set seed_sd, or "
        "let `bothways study calibrate` measure it."
    )
    costs, unknown = _costs(planned)
    console.print(_prices(costs, len(study.seeds)))
    console.print("Hours are of training on one core at the rate of nano models; exams and encoding come on top.")
    if unknown:
        console.print(f"FLOPs are not known: {unknown}")
    if len(study.seeds) < study.min_seeds:
        console.print(f"With fewer than {study.min_seeds} seeds there is no verdict but `pilot` and `undecided`.")


def _asked(study: Study) -> Table:
    from bothways.study.claims import rules_of

    told = table("", "")
    told.show_header = False
    rows = [("claim", study.claim), ("expectation", study.expectation), ("rule", study.rule)]
    rows += [("said of several", "\n".join(f"{one.kind} of {len(one.over)}: {one.sentence}" for one in study.claims))]
    rows += [("", " ".join(rules_of(study)))]
    rows += [("tuned", study.tuned.sentence)] if study.tuned else []
    rows += [("plotted along", study.dial.name)] if study.dial else []
    for name, text in rows:
        if text:
            told.add_row(f"[bold]{name}[/bold]" if name else "", text)
    return told


def _arms(study: Study) -> Table:
    arms = table("arm", f"differs from `{study.base}` in")
    arms.columns[1].overflow = "fold"  # a long key goes on in the next line instead of ending in dots
    for arm in study.arms:
        changed = [f"{key} = {value}" for key, value in arm.changes.items()] or ["nothing"]
        arms.add_row(arm.name, "\n".join(changed))
    return arms


def _sights(study: Study) -> Table:
    sights = table("\ntreatment\ncontrol", "\n\nmeasure", "\nmatters\nfrom", "\nseen\nfrom")
    for one in study.comparisons:
        seen = _detectable(one.seed_sd, len(study.seeds))
        sights.add_row(f"{one.treatment}\n{one.control}", one.primary, f"{one.minimum_effect:g}", seen)
    return sights


def _detectable(seed_sd: float | None, num_seeds: int) -> str:
    from bothways.evaluate.statistics import detectable

    if seed_sd is None:
        return "?"
    return "nothing" if num_seeds < 2 else f"{detectable(seed_sd, num_seeds):.2f}"


def _costs(planned: Plan) -> tuple[dict[str, Cost], str]:
    """By arm; and why operations are not known, empty where they are."""
    from bothways.core.errors import BothwaysError
    from bothways.study.cost import costs_of, with_flops

    costs = costs_of(planned)
    try:
        return with_flops(costs, planned), ""
    except BothwaysError as error:  # a tokenizer that is not trained yet, say: a plan may come before its parts
        return costs, str(error)


def _prices(costs: dict[str, Cost], num_seeds: int) -> Table:
    from bothways.study.cost import Cost

    prices = table("\none run of", "\nsamples", "\nFLOPs", "\ncore hours", "\nGB")
    prices.columns[0].overflow = "fold"
    seed = sum(costs.values(), Cost())
    sums = {f"one seed ({seed.runs} runs)": seed} | (
        {f"{num_seeds} seeds ({num_seeds * seed.runs} runs)": seed * num_seeds} if num_seeds > 1 else {}
    )
    for name, cost in (costs | sums).items():
        flops = "?" if cost.flops is None else f"{cost.flops:.2g}"
        told = (name, f"{cost.samples:,}", flops, f"{cost.core_hours:.2f}", f"{cost.disk_mb / 1000:.2f}")
        prices.add_row(*told, style="bold" if name in sums else None)
    return prices
