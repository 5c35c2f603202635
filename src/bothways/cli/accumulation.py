"""`bothways accumulation`: does what a run draws go astray, token by token?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import RunArgument, StepOption, page, say, table


def accumulation(
    run: RunArgument,
    step: StepOption = None,
    num: Annotated[int, typer.Option(min=20, help="Scenes that are requested and ranked among each other.")] = 256,
    num_fit: Annotated[int, typer.Option(min=200, help="Scenes from which the semantic reader learns.")] = 4000,
) -> None:
    """Error accumulation: what a run draws freely beside what it draws after true tokens, by position.

    Measured in units that all spaces share: the rank of the true picture among others, what a semantic reader finds in the
    tokens (input embeddings, where the model predicts those), and what the world's reader finds in the pixels. Writes
    accumulation.json, a page of plots, accumulation.html, and its main plots as accumulation.svg into the run folder.
    """
    from bothways.core.rundir import RunDir

    RunDir.open(run)  # said before torch is loaded
    from bothways.recipes.accumulation import accumulation_of
    from bothways.study.accumulation_page import write_accumulation

    _show(accumulation_of(run, num, num_fit, step))
    say(f"The plots are in {write_accumulation(Path(run))}")


def _show(found: dict) -> None:
    from bothways.study.accumulation_page import KINDS, WAYS, mean_skill

    names = [name for name, _ in WAYS.values()]
    for kind, held in found["requests"].items():
        shown = table(f"{KINDS[kind]} (n {held['n']})", *names, "chance")
        for position in sorted({row["position"] for row in held["reader"]}):
            own = {r["way"]: r for r in held["rank"] if (r["position"], r["reach"]) == (position, "prefix")}
            told = [f"{own[way]['median']:.1f} ({own[way]['first']:.2f})" if way in own else "–" for way in WAYS]
            shown.add_row(f"rank (share 1st), {position} tokens", *told, f"{(found['num'] + 1) / 2:.1f}")
        for position in sorted({row["position"] for row in held["reader"]}):
            told = [f"{mean_skill(held['reader'], way, position):.2f}" for way in WAYS]
            shown.add_row(f"reader's skill, {position} tokens", *told, "0.00")
        for name in dict.fromkeys(row["measure"] for row in held["pixels"]):
            own = {row["way"]: row for row in held["pixels"] if row["measure"] == name}
            told = [f"{own[way]['value']:.3f} ± {own[way]['se'] or 0:.3f}" for way in WAYS]
            shown.add_row(f"pixels: {name}", *told, f"{own['free']['chance']:.3f}")
        page().print(shown, "")
