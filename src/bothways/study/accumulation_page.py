"""`write_accumulation`: a run's accumulation.json as accumulation.html, and its main plots as accumulation.svg."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bothways.core.disk import read_json, write_atomic
from bothways.study.line_plot import Axis, Curve, line_plot, sheet
from bothways.study.page import page

KINDS = {"drawing": "Requests that name everything", "open_drawing": "Requests that leave something open"}
HEADS = {"drawing": "all named: ", "open_drawing": "some left open: "}
WAYS = {"true": ("true tokens", "arm3"), "forced": ("teacher-forced", "arm1"), "free": ("free-running", "arm0")}
LEGEND = {name: colour for name, colour in WAYS.values()}
METRICS = {"squared_distance": "squared distance", "one_minus_cosine": "1 − cosine"}
MEASURES = {
    "asked": "share of what was asked for",
    "gate": "weather and both corners as asked",
    "all_right": "everything as asked",
}


def write_accumulation(run: Path) -> Path:
    """Writes RUN/accumulation.html and RUN/accumulation.svg from RUN/accumulation.json; returns the path of the page.

    Raises: RunError when the disk refuses.
    """
    found = read_json(run / "accumulation.json")
    groups = [
        {
            "title": KINDS[kind],
            "n": held["n"],
            "plots": plots_of(held, found, HEADS[kind]),
            "attributes": [_attribute(name, held["reader"]) for name in _attributes(held["reader"])],
            "pixels": _pixels(held["pixels"]),
        }
        for kind, held in found["requests"].items()
    ]
    values = {"run": run.name, "found": found, "metric": METRICS[found["metric"]], "legend": LEGEND, "groups": groups}
    write_atomic(run / "accumulation.html", page("accumulation.html", values))
    write_atomic(run / "accumulation.svg", sheet([plot for group in groups for plot in group["plots"]], LEGEND, columns=4))
    return run / "accumulation.html"


def plots_of(held: dict[str, Any], found: dict[str, Any], head: str = "") -> list[str]:
    """Of one kind of request: median rank, share first by prefix and by window, skill of the semantic reader. `head` stands
    before the titles."""
    num, across = found["num"], Axis("tokens drawn")
    chance = {"chance": 1 / num}
    prefix, window = "so far", f"by the last {found['window']} tokens"
    share, skill = Axis("share ranked first", (0.0, 1.0)), Axis("mean skill", (-0.1, 1.0))
    return [
        line_plot(
            f"{head}rank among {num}",
            _ranks(held["rank"], "prefix", ("median", "low", "high")),
            across,
            Axis(f"median rank, tokens {prefix}", (1.0, float(num)), scale=math.log),
            {"chance": (num + 1) / 2},
        ),
        line_plot(f"{head}first, by tokens {prefix}", _ranks(held["rank"], "prefix", _FIRST), across, share, chance),
        line_plot(f"{head}first, {window}", _ranks(held["rank"], "window", _FIRST), across, share, chance),
        line_plot(f"{head}semantic reader", _mean_skill(held["reader"]), across, skill, {"chance": 0.0}),
    ]


_FIRST = ("first", "first_low", "first_high")


def _ranks(rows: list[dict[str, Any]], reach: str, keys: tuple[str, str, str]) -> list[Curve]:
    return [
        Curve(*WAYS[way], [(r["position"], *(r[key] for key in keys)) for r in rows if (r["way"], r["reach"]) == (way, reach)])
        for way in ("forced", "free")
    ]


def _attributes(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["attribute"] for row in rows))


def summed(rows: list[dict[str, Any]]) -> list[str]:
    """The attributes that a mean is taken over: what is read as an angle does not count again as a name."""
    names = _attributes(rows)
    return [name for name in names if f"{name}_angle" not in names]


def mean_skill(rows: list[dict[str, Any]], way: str, position: int) -> float:
    """Over the attributes of the semantic reader."""
    names = summed(rows)
    skills = [r["skill"] for r in rows if (r["way"], r["position"]) == (way, position) and r["attribute"] in names]
    return sum(skills) / len(skills)


def _mean_skill(rows: list[dict[str, Any]]) -> list[Curve]:
    positions = sorted({row["position"] for row in rows})
    return [
        Curve(*told, [(position, mean_skill(rows, way, position), None, None) for position in positions], dashed=way == "true")
        for way, told in WAYS.items()
    ]


def _attribute(name: str, rows: list[dict[str, Any]]) -> str:
    own = [row for row in rows if row["attribute"] == name]
    curves = [
        Curve(*told, [(r["position"], r["skill"], r["skill"] - r["se"], r["skill"] + r["se"]) for r in own if r["way"] == way],
              dashed=way == "true")
        for way, told in WAYS.items()
    ]  # fmt: skip
    title = f"{name.replace('_', ' ')} (n {own[0]['n']})"
    return line_plot(title, curves, Axis("tokens drawn"), Axis("skill", (-0.2, 1.0)), {"chance": 0.0})


def _pixels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a measure: its name, chance, n, and (value, se) a way."""
    found = []
    for name in dict.fromkeys(row["measure"] for row in rows):
        own = {row["way"]: row for row in rows if row["measure"] == name}
        told = [(own[way]["value"], own[way]["se"]) for way in WAYS]
        found.append({"name": MEASURES.get(name, name), "chance": own["free"]["chance"], "n": own["free"]["n"], "ways": told})
    return found
