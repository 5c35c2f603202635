"""Exchange rates of one skill on a synergy card: on the primary measure, and on each attribute that can still move.

Gates are never evidence, and an attribute that every arm ends with at the ceiling has nothing to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bothways.core.config import Config
from bothways.study.exchange import Learning, Rate, learning, rate, untold
from bothways.study.gather import Gathered

# Of drawing, where nothing was drawn at checkpoints: name -> measure.
TOKENS = {"image tokens": "nll/image_tokens/nats", "image tokens, by error": "tokens/image/skill"}


class Exchange(Config):
    """Own samples that one sample of the other task was worth: over the skill alone, and beyond what the best placebo's were.

    `name`: attribute or level; `measure`: whose curves were asked; `placebo`: the arm with the highest mean of it. A rate is
    null where the curves do not tell it, and `missing` says why.
    """

    name: str
    measure: str
    placebo: str
    rate: Rate | None
    beyond_placebo: Rate | None
    missing: str


def exchanges_of(
    found: Gathered, primary: str, arms: tuple[str, str, Sequence[str]], own_per_other: float
) -> tuple[Exchange, ...]:
    """The primary measure first. `arms`: alone, both, and the placebos. Of drawing without drawn curves, one rate on the tokens
    of held-out pictures."""
    skill, level, what = primary.split("/")
    _, both, placebos = arms
    names = [level, *(name for name in _attributes(found, both, skill) if found.exams[both].levels.get(level) != (name,))]
    measures = {name: f"{skill}/{name}/{what}" for name in names}
    moving = {name: measure for name, measure in measures.items() if _can_move(found, measure, arms)}
    told = _told(found, moving, arms, own_per_other)
    if not told and skill == "drawing":
        told = _told(found, TOKENS, arms, own_per_other)[:1]
    if told:
        return tuple(told)
    why = "no learning curve: train.milestones is 0" if moving else "every arm ends at the ceiling"
    return (Exchange(name=level, measure=primary, placebo=placebos[0], rate=None, beyond_placebo=None, missing=why),)


def _attributes(found: Gathered, arm: str, skill: str) -> list[str]:
    """What single facts of a picture the skill is measured on, gates left out."""
    levels = found.exams[arm].levels
    left_out = {*levels, *levels.get("two_facts", ()), *found.study.gates}
    names = [name.split("/")[1] for name in found.cells[arm] if name.startswith(f"{skill}/") and name.endswith("/skill")]
    return [name for name in names if name not in left_out]


def _can_move(found: Gathered, measure: str, arms: tuple[str, str, Sequence[str]]) -> bool:
    """Measured in every arm, and in one of them below the ceiling."""
    cells = [found.cells[arm].get(measure) for arm in (arms[0], arms[1], *arms[2])]
    return None not in cells and min(cell.value for cell in cells if cell) <= found.study.ceiling


def _told(
    found: Gathered, measures: Mapping[str, str], arms: tuple[str, str, Sequence[str]], own_per_other: float
) -> list[Exchange]:
    """Of the measures, by name, that every arm has a curve of."""
    alone, both, placebos = arms
    exchanges = []
    for name, measure in measures.items():
        curves = {arm: learning(found.runs[arm], measure) for arm in (alone, both, *placebos)}
        known = {arm: curve for arm, curve in curves.items() if curve is not None}
        if known.keys() == curves.keys():
            exchanges.append(between(known, name, measure, found.study.floor, own_per_other))
    return exchanges


def between(curves: Mapping[str, Learning], name: str, measure: str, floor: float, own_per_other: float) -> Exchange:
    """Of the curves of alone, both, and the placebos, in this order; `floor`: skill at which nothing is learned."""
    (alone, one), (both, other), *others = curves.items()
    placebo, least = max(others, key=lambda pair: pair[1].mean[-1])
    lowest = floor if measure.endswith("/skill") else None
    missing = untold({alone: one, both: other}, lowest)
    beyond = missing or untold({alone: one, placebo: least}, lowest)
    return Exchange(
        name=name,
        measure=measure,
        placebo=placebo,
        rate=None if missing else rate(one, other, own_per_other),
        beyond_placebo=None if beyond else rate(one, other, own_per_other, less=least),
        missing=beyond,
    )
