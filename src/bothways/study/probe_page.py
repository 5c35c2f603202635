"""`write_probes`: a run's probes.json as one self-contained probes.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bothways.core.disk import read_json, write_atomic
from bothways.study.page import page
from bothways.study.probe_plots import Line, colours, lines, scatter

POOLED = {"places": "all places side by side", "mean": "mean over places"}
SIDES = {"given": "as a given picture", "learned": "as a learned picture, its request dropped"}


def write_probes(run: Path) -> Path:
    """Writes RUN/probes.html from RUN/probes.json and returns its path. Raises: RunError when the disk refuses."""
    found = read_json(run / "probes.json")
    values = {
        "run": run.name,
        "found": found,
        "linear": _linear(found.get("linear", [])),
        "classification": _classification(found.get("classification", [])),
        "cka": _cka(found.get("cka", [])),
        "gradients": found.get("gradients", []),
        "pulls": _pulls(found.get("gradients", [])),
        "maps": _maps(found.get("maps")),
    }
    write_atomic(run / "probes.html", page("probes.html", values))
    return run / "probes.html"


def _linear(rows: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """(title, plots by attribute) for each side and pooling."""
    groups = []
    for side, told in SIDES.items():
        for pooling, how in POOLED.items():
            some = [row for row in rows if (row["side"], row["pooling"]) == (side, pooling)]
            plots = [_attribute(name, some) for name in dict.fromkeys(row["attribute"] for row in some)]
            if plots:
                groups.append((f"{told[0].upper()}{told[1:]}: {how}", plots))
    return groups


def _classification(rows: list[dict[str, Any]]) -> list[str]:
    """A plot for each side and pooling."""
    named = [row | {"attribute": "classification", "unit": "mean accuracy"} for row in rows]
    plots = []
    for side, told in SIDES.items():
        for pooling, how in POOLED.items():
            some = [row for row in named if (row["side"], row["pooling"]) == (side, pooling)]
            if some:
                plots.append(_attribute("classification", some, f"{told.split(',')[0]}, {how}"))
    return plots


def _attribute(name: str, rows: list[dict[str, Any]], title: str = "") -> str:
    own = [row for row in rows if row["attribute"] == name]
    drawn = [
        Line("chance (best constant answer)", "chance", [row["chance"] for row in own]),
        Line("shuffled labels", "arm1", [row["shuffled"] for row in own]),
        Line("untrained", "arm2", [row["untrained"] for row in own], under=True),
        Line("trained", "arm0", [row["value"] for row in own]),
    ]
    title = title or f"{name.replace('_', ' ')} ({own[0]['unit']}, n {own[0]['n']})"
    return lines(title, _short([row["stage"] for row in own]), drawn, 0.0)


def _cka(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    drawn = [
        Line("other pictures", "arm1", [row["shuffled"] for row in rows]),
        Line("untrained", "arm2", [row["untrained"] for row in rows], under=True),
        Line("trained", "arm0", [row["value"] for row in rows]),
    ]
    return lines(f"CKA, read against drawn (n {rows[0]['n']})", _short([row["stage"] for row in rows]), drawn, -0.25)


def _pulls(rows: list[dict[str, Any]]) -> str:
    """Of the parts that both losses can reach in turn, projectors and layers; the table beside it has them all."""
    rows = [row for row in rows if row["part"].endswith("projector") or row["part"].startswith("layer ")]
    rows.sort(key=lambda row: row["part"].startswith("layer "))
    if not rows:
        return ""
    drawn = [
        Line("two batches, reading", "arm3", [row["within_reading"] for row in rows]),
        Line("two batches, drawing", "arm4", [row["within_drawing"] for row in rows]),
        Line("reading against drawing", "arm0", [row["between"] for row in rows]),
    ]
    names = [row["part"].replace("_projector", " p.") for row in rows]
    return lines("cosine of gradients, by layer", names, drawn, -0.25)


def _maps(maps: dict[str, Any] | None) -> list[tuple[str, list[tuple[Any, str]], list[str]]]:
    """(title, key, plots) for each attribute: every stage and side, t-SNE beside PCA."""
    if not maps:
        return []
    found = []
    for name, labels in maps["labels"].items():
        if len(set(map(str, labels))) > 1:
            plots = [
                scatter(
                    f"{row['how']}, {row['stage']}, {row['side']}",
                    row["points"],
                    labels,
                    " + ".join(f"{share:.0%}" for share in row["shares"]) + (" of variance" if row["shares"] else ""),
                )
                for row in maps["points"]
            ]
            found.append((name.replace("_", " "), _key(labels), plots))
    return found


def _key(labels: list[Any]) -> list[tuple[Any, str]]:
    """(value, colour), of many values a dozen."""
    known = list(colours(labels).items())
    step = -(-len(known) // 12)
    return known[::step]


def _short(stages: list[str]) -> list[str]:
    return [{"projector": "proj."}.get(stage, stage) for stage in stages]
