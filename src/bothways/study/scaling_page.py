"""`write_scaling`: a run's scaling.json as scaling.html, and its plots as scaling.svg."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bothways.core.disk import read_json, write_atomic
from bothways.study.line_plot import Axis, Curve, line_plot, sheet
from bothways.study.page import page
from bothways.study.plots import signed

CHOOSERS = {
    "random": ("one at random", "arm2"),
    "own likelihood": ("own likelihood", "arm1"),
    "reads them itself": ("reads them itself", "arm0"),
    "world's reader": ("world's reader (oracle)", "arm3"),
}
QUALITIES = {"asked": "share of what was asked for", "whole": "all at once as asked"}
SETTINGS = {
    "own settings": "own settings",
    "sampling_steps": "steps of the sampler",
    "draw_steps": "steps a picture",
    "guidance": "guidance",
    "temperature": "temperature",
    "painter_iterations": "iterations of the painter",
    "painter_guidance": "guidance of the painter",
}
# What is turned to spend more; the others cost the same whatever their value.
COSTLY = ("sampling_steps", "draw_steps", "painter_iterations")


def write_scaling(run: Path) -> Path:
    """Writes RUN/scaling.html and RUN/scaling.svg from RUN/scaling.json; returns the path of the page.

    Raises: RunError when the disk refuses.
    """
    found = read_json(run / "scaling.json")
    groups = [(told, plots_of(found, quality)) for quality, told in QUALITIES.items() if quality in _own(found)]
    values = {
        "run": run.name,
        "found": found,
        "legend": _legend(found),
        "groups": groups,
        "rows": [told_row(row) for row in sorted_rows(found)],
        "choosers": [name for name in CHOOSERS if name != "random"],
    }
    write_atomic(run / "scaling.html", page("scaling.html", values))
    plots = [plot for _, some in groups for plot in some]
    write_atomic(run / "scaling.svg", sheet(plots, _legend(found), columns=len(groups[0][1])))
    return run / "scaling.html"


def _legend(found: dict[str, Any]) -> dict[str, str]:
    """Name -> colour of what is drawn."""
    turned = any(row["axis"] not in ("own settings", "best_of") for row in found["rows"])
    chose = {row["chooser"] for row in found["rows"] if row["axis"] == "best_of"}
    return ({"one setting at a time": "arm4"} if turned else {}) | dict(told for who, told in CHOOSERS.items() if who in chose)


def _own(found: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in found["rows"] if row["axis"] == "own settings")


def plots_of(found: dict[str, Any], quality: str, head: str = "") -> list[str]:
    """Quality against operations, or against the value of what costs nothing; and best of n, by who chooses, at each
    temperature. `head` stands before the titles."""
    rows, own = found["rows"], _own(found)
    up = Axis(QUALITIES[quality], (0.0, 1.0))
    levels = {"chance": own[f"{quality}_chance"]}
    plots = []
    for axis in [name for name in SETTINGS if name != "own settings" and any(row["axis"] == name for row in rows)]:
        some = [row for row in rows if row["axis"] == axis]
        across = Axis("operations a request", scale=math.log) if axis in COSTLY else Axis(SETTINGS[axis])
        points = [_point(row, quality, row["flops"] if axis in COSTLY else row["value"]) for row in some]
        names = [f"{row['value']:g}" for row in some] if axis in COSTLY else ()
        plots.append(line_plot(f"{head}{SETTINGS[axis]}", [Curve(axis, "arm4", points, names)], across, up, levels))
    for temperature in sorted({row["temperature"] for row in rows if row["axis"] == "best_of"}):
        some = [row for row in rows if (row["axis"], row.get("temperature")) == ("best_of", temperature)]
        plots.append(_best_of(f"{head}best of n at temperature {temperature:g}", some, quality, own[quality]))
    return plots


def _best_of(title: str, rows: list[dict[str, Any]], quality: str, own: float) -> str:
    """Cut out where the curves lie, beside what the run's own settings give."""
    one = next(row for row in rows if row["chooser"] == "random")
    curves = []
    for who, (name, colour) in CHOOSERS.items():
        some = [one, *(row for row in rows if row["chooser"] == who and row is not one)]
        if len(some) > 1:
            names = ["", *(f"{row['value']}" for row in some[1:])]
            points = [_point(row, quality, row["flops"]) for row in some]
            curves.append(Curve(name, colour, points, names if who == "reads them itself" else ()))
    curves.append(Curve(*CHOOSERS["random"], [_point(one, quality, one["flops"])]))
    across = Axis("operations a request", scale=math.log)
    return line_plot(title, curves, across, Axis(QUALITIES[quality]), {"own settings": own})


def _point(row: dict[str, Any], quality: str, x: float) -> tuple[float, float, float, float]:
    return x, row[quality], row[f"{quality}_low"], row[f"{quality}_high"]


def sorted_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The run's own settings first, best of n last."""
    order = [*SETTINGS, "best_of"]
    return sorted(found["rows"], key=lambda row: order.index(row["axis"]))


def told_row(row: dict[str, Any]) -> list[str]:
    """A row of the table: what was set, operations in billions, seconds, each quality with its standard error, and of a choice
    what it gains over one at random among the same drawings, with the 95 % interval."""
    if row["axis"] == "best_of":
        who = CHOOSERS[row["chooser"]][0]
        name = f"temperature {row['temperature']:g}, best of {row['value']}: {who}" if row["value"] > 1 else (
            f"temperature {row['temperature']:g}, {who}"
        )  # fmt: skip
    else:
        name = SETTINGS[row["axis"]] + ("" if row["axis"] == "own settings" else f" {row['value']:g}")
    told = [f"{row[key]:.3f} ± {row[f'{key}_se']:.3f}" if key in row else "–" for key in QUALITIES]
    gain = f"{signed(row['gain'])} ({signed(row['gain_low'])} to {signed(row['gain_high'])})" if "gain" in row else ""
    return [name, f"{row['flops'] / 1e9:.2f}", f"{row['seconds']:.3f}", *told, gain]
