"""A study's dial: where each of its comparisons stands, and what both of its arms score there.

A dial without places is measured: it is the share of the learned tokens' variance that a linear map tells from the given
token at the same place (`vision/distance.py`), which differs between tokenizers and is the same for all rotations of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bothways.core.disk import read_json, write_json
from bothways.study.gather import Gathered
from bothways.study.line_plot import Axis, Curve, line_plot
from bothways.study.plan import Plan
from bothways.study.study import Comparison, Study

MEASURED = "dial.json"


@dataclass(frozen=True)
class DialPlot:
    """`roles`: the treatment's and the control's name with the class of their colour."""

    title: str
    roles: tuple[tuple[str, str], tuple[str, str]]
    plot: str


def placed(planned: Plan, out: Path) -> Study:
    """The study with a place for every comparison where it has a dial; measured on its treatment's recipe if it names none.

    What is measured is kept in OUT/dial.json by the pair of tokenizers.
    """
    study = planned.study
    if study.dial is None or study.dial.at:
        return study
    from bothways.recipes.distance import distance_of

    file, at = out / MEASURED, {}
    measured: dict[str, float] = read_json(file) if file.exists() else {}
    for comparison in study.comparisons:
        recipe = planned.configs[comparison.treatment][study.seeds[0]]
        pair = f"{recipe.model.given.digest()} {recipe.model.learned.digest()}"
        if pair not in measured:
            measured[pair] = distance_of(recipe).same_place
        at[comparison.name] = measured[pair]
    write_json(file, measured)
    return Study.parse({**study.to_dict(), "dial": {**study.dial.to_dict(), "at": at}})


def dial_plots(found: Gathered) -> list[DialPlot]:
    """One plot a primary measure, of the comparisons that rest on it; none without a dial or of what was not measured."""
    dial = found.study.dial
    asked: dict[str, list[Comparison]] = {}
    for comparison in found.study.comparisons if dial else ():
        if all(comparison.primary in found.cells[arm] for arm in (comparison.treatment, comparison.control)):
            asked.setdefault(comparison.primary, []).append(comparison)
    return [_plot(found, measure, some) for measure, some in asked.items()]


def _plot(found: Gathered, measure: str, comparisons: list[Comparison]) -> DialPlot:
    dial = found.study.dial
    ordered = sorted(comparisons, key=lambda one: dial.at[one.name])
    sides = ([one.treatment for one in ordered], [one.control for one in ordered])
    roles = tuple((arms[0].partition("-")[0], f"arm{number}") for number, arms in enumerate(sides))  # unified-64: unified
    curves = []
    for (role, colour), arms in zip(roles, sides, strict=True):
        cells = [(one, found.cells[arm][measure]) for one, arm in zip(ordered, arms, strict=True)]
        points = [(dial.at[one.name], cell.value, cell.low, cell.high) for one, cell in cells]
        curves.append(Curve(role, colour, points))
    places = [dial.at[one.name] for one in ordered]
    across = Axis(dial.name, scale=dial.scaled, told=places)
    return DialPlot(measure, roles, line_plot(measure, curves, across, Axis("skill"), {"chance": 0.0}))
