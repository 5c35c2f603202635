"""`bothways probe`: what a run's layers hold, and whether its two losses pull the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.terminal import RunArgument, StepOption, page, say, table


def probe(
    run: RunArgument,
    what: Annotated[
        str, typer.Option(help="Any of linear, maps, cka, gradients, with commas between them.")
    ] = "linear,maps,cka,gradients",
    step: StepOption = None,
    num: Annotated[int, typer.Option(min=20, help="Scenes on which probes are scored; four times as many are fitted.")] = 200,
) -> None:
    """Probe a run, layer by layer, beside chance, shuffled labels and the same model untrained.

    Writes probes.json and a page of plots, probes.html, into the run folder.
    """
    from bothways.core.rundir import RunDir

    RunDir.open(run)  # said before torch is loaded
    from bothways.recipes.probe import probe_run
    from bothways.study.probe_page import write_probes

    found = probe_run(run, tuple(word.strip() for word in what.split(",")), step, num)
    _show(found)
    say(f"The plots are in {write_probes(Path(run))}")


def _show(found: dict) -> None:
    """The last layer's linear probes, CKA and gradients as short tables."""
    console, keys_beside = page(), ("untrained", "shuffled", "chance")
    rows = found.get("linear", [])
    if rows:
        last = rows[-1]["stage"]
        shown = table(f"{last}, read", "trained", "untrained", "shuffled", "chance", "unit")
        for row in rows:
            if (row["side"], row["stage"], row["pooling"]) == ("given", last, "places"):
                shown.add_row(row["attribute"], *(f"{row[key]:.2f}" for key in ("value", *keys_beside)), row["unit"])
        console.print(shown, "")
    if found.get("classification"):
        shown = table("linear classification, read", "trained", "untrained", "shuffled", "chance", "attributes")
        for row in found["classification"]:
            if (row["side"], row["pooling"]) == ("given", "mean"):
                told = (f"{row['value']:.2f} ± {row['se']:.2f}", *(f"{row[key]:.2f}" for key in keys_beside))
                shown.add_row(row["stage"], *told, str(len(row["attributes"])))
        console.print(shown, "")
    if found.get("cka"):
        shown = table("read against drawn", "CKA", "untrained", "other pictures")
        for row in found["cka"]:
            shown.add_row(row["stage"], *(f"{row[key]:.2f}" for key in ("value", "untrained", "shuffled")))
        console.print(shown, "")
    if found.get("gradients"):
        shown = table("cosine of gradients", "reading against drawing", "two of reading", "two of drawing")
        for row in found["gradients"]:
            keys = ("between", "within_reading", "within_drawing")
            shown.add_row(row["part"], *("–" if row[key] is None else f"{row[key]:.2f}" for key in keys))
        console.print(shown, "")
