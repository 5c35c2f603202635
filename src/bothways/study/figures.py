"""The report's plots: which differences and which curves are drawn, in the order in which they matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bothways.study.compare import Difference
from bothways.study.gather import Gathered, LearningCurve
from bothways.study.line_plot import Axis, Curve, line_plot
from bothways.study.plots import ForestRow, forest
from bothways.study.study import Comparison, Study
from bothways.study.tables import groups, label


def forest_of(found: Gathered, comparison: Comparison) -> str:
    """Differences in skill on every attribute of the comparison's kind, the primary one on top."""
    kind = comparison.primary.split("/")[0]
    differences = found.differences[comparison.name]
    ordered = groups(found.study, found.exams[comparison.treatment], kind, found.cells[comparison.treatment])
    rows = []
    for group in ordered:
        names = sorted(group.rows, key=lambda name: f"{kind}/{name}/skill" != comparison.primary)
        for name in names:
            difference = differences.get(f"{kind}/{name}/skill")
            if difference is not None:
                rows.append(_forest_row(label(name), difference, comparison, group.kind))
    if not rows:
        return ""
    what = f"differences in {kind} skill, {comparison.treatment} minus {comparison.control}"
    return forest(rows, comparison.minimum_effect, f"{comparison.control} better", f"{comparison.treatment} better", what)


def _forest_row(name: str, difference: Difference, comparison: Comparison, group: str) -> ForestRow:
    kind = "primary" if difference.measure == comparison.primary else ("gate" if group == "gate" else "plain")
    return ForestRow(name, difference.value, difference.low, difference.high, kind)


@dataclass(frozen=True)
class CurveRow:
    """Learning curves of one kind; `more` is folded away."""

    title: str
    plots: tuple[str, ...]
    more: tuple[str, ...] = ()


def curve_plots(found: Gathered, colours: dict[str, str]) -> list[CurveRow]:
    """Skill of reading by attribute, then likelihoods; empty without exams at checkpoints."""
    rows = [_skill_curves(found, colours), _nll_curves(found, colours), _token_curves(found, colours)]
    return [row for row in rows if row.plots]


def _skill_curves(found: Gathered, colours: dict[str, str]) -> CurveRow:
    """The primary level and its attributes first, then the means over the other levels and the weather."""
    arms = found.reading_arms()
    if not arms:
        return CurveRow("", ())
    by_group = groups(found.study, found.exams[arms[0]], "reading", found.cells[arms[0]])
    ordered = sorted(
        ((group.kind, name) for group in by_group for name in group.rows),
        key=lambda pair: not _is_primary(found.study, f"reading/{pair[1]}/skill"),
    )
    shown, more = [], []
    for kind, name in ordered:
        if f"reading/{name}/skill" in found.curves:
            lines = found.curves[f"reading/{name}/skill"]
            first = kind == "primary" or name in ("two_facts", "weather", "corners")
            # One axis for all, so that plots can be compared. Early models lie far below 0: they do not know the format yet.
            (shown if first else more).append(_curve_plot(lines, label(name), "skill", 0.0, colours, span=(-0.25, 1.03)))
    return CurveRow("Reading skill", tuple(shown), tuple(more))


def _nll_curves(found: Gathered, colours: dict[str, str]) -> CurveRow:
    names = {"answers": "answer", "captions": "caption", "image_tokens": "picture"}
    plots = [
        _curve_plot(found.curves[f"nll/{name}/nats"], label(name), f"nats per {unit}", None, colours)
        for name, unit in names.items()
        if f"nll/{name}/nats" in found.curves
    ]
    return CurveRow("Held-out negative log-likelihood (lower is better)", tuple(plots))


def _token_curves(found: Gathered, colours: dict[str, str]) -> CurveRow:
    """Where image tokens have no likelihood."""
    lines = found.curves.get("tokens/image/skill")
    plots = (_curve_plot(lines, "image tokens", "skill", 0.0, colours),) if lines else ()
    return CurveRow("Held-out image tokens (0: the best constant, 1: exact)", plots)


def _is_primary(study: Study, measure: str) -> bool:
    return any(c.primary == measure for c in study.comparisons)


def _curve_plot(
    lines: Sequence[LearningCurve],
    title: str,
    unit: str,
    chance: float | None,
    colours: dict[str, str],
    span: tuple[float, float] | None = None,
) -> str:
    curves = [Curve(one.arm, colours[one.arm], one.points) for one in lines]
    steps = [point[0] for one in lines for point in one.points]
    levels = {} if chance is None else {"chance": chance}
    return line_plot(title, curves, Axis("steps", scale=math.log, told=steps), Axis(unit, span), levels)
