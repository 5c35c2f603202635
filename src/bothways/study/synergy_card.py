"""The synergy card in words, for the terminal and for a page: every line is worded here, once."""

from __future__ import annotations

from pathlib import Path

from bothways.core.disk import write_atomic, write_json
from bothways.study.exchange import Rate
from bothways.study.page import page
from bothways.study.plots import signed
from bothways.study.synergy import OTHERS, Card, Direction, Gain
from bothways.study.tables import count, flops, number, seconds

RESULTS = {
    "mutual": "mutual: in both directions the content of the other task helps",
    "one direction": "in one direction the content of the other task helps",
    "not shown": "synergy is not shown",
    "pilot": "pilot: too few seeds for a verdict",
}
RULE = (
    "“The content helps” is said of the arm that does both minus the best placebo, the one with the highest mean, by the "
    "study's rule. “Mutual” asks for it in both directions, and for doing both to be no worse than the skill alone; “in one "
    "direction” is corrected for having asked two (Holm)."
)
NOT_SHOWN = (
    "Whether answers follow when facts are swapped between tasks, and how many labels are saved: studies of their own.",
    "Exchange rates by attribute: they are those of the measure named.",
    "Other sizes, pools and horizons, and settings tuned for each arm.",
)


def write_card(card: Card, out: Path) -> Path:
    """Writes OUT/card.json and OUT/card.html; returns the path of the latter. Raises: RunError when the disk refuses."""
    write_json(out / "card.json", card.to_dict())
    values = {
        "card": card,
        "headline": RESULTS[card.result],
        "directions": [(one, headline(one), rows(one)) for one in card.directions],
        "facts": facts(card),
        "costs": costs(card),
        "rule": RULE,
        "not_shown": NOT_SHOWN,
    }
    write_atomic(out / "card.html", page("synergy.html", values))
    return out / "card.html"


def headline(direction: Direction) -> str:
    """One sentence on one direction: whether the content helps, and where a gain is none of its doing."""
    skill, other, label = direction.skill, OTHERS[direction.skill], direction.best.label
    said = {
        "supported": f"What {other} says of its pictures helps {skill}.",
        "refuted": f"What {other} says of its pictures harms {skill}.",
        "no effect": f"What {other} says of its pictures has no effect on {skill} of {direction.minimum_effect:g} or more.",
        "pilot": f"A pilot saw a difference for {skill}; it decides nothing.",
        "undecided": f"Whether {other} helps {skill} is undecided.",
    }[label]
    if label == "supported" and not direction.helps:
        return f"{said} Yet {skill} alone is better: the other task costs more than its content gives."
    if label != "supported" and direction.alone.label == "supported":
        more = f"not shown to be more than the placebo `{direction.best.control}` brings"
        return f"{said} There is a gain over {skill} alone, {more}."
    return said


def rows(direction: Direction) -> list[tuple[str, str]]:
    """What is told of one direction, line by line."""
    others = [(f"over the placebo {one.control}", _gained(one)) for one in direction.placebos]
    return [
        ("over the skill alone", _gained(direction.alone)),
        (f"over the best placebo, {direction.best.control}", _gained(direction.best)),
        ("of that, p after Holm", "–" if direction.best.p_value is None else f"{direction.p_holm:.2g}"),
        *others,
        ("mean of the arm that does both", f"{number(direction.both)} ({direction.measure})"),
        ("exchange rate", _exchanged(direction)),
        ("samples a run", f"{direction.own_samples:,} own, {direction.other_samples:,} of {OTHERS[direction.skill]}"),
        ("asked", f"{direction.num_items:,} items of {direction.num_pictures:,} pictures a seed"),
    ]


def facts(card: Card) -> list[tuple[str, str]]:
    """What the card is about, and the shares of the gradient."""
    pools = ", ".join(f"{name} {'fresh' if not pool else f'{pool:,}'}" for name, pool in card.pools.items())
    shares = ", ".join(f"{term} {share:.2f}" for term, share in card.shares.items())
    few = "" if len(card.seeds) >= card.min_seeds else f"; a verdict takes {card.min_seeds}"
    told = [
        ("recipe", card.base),
        ("size", f"{count(card.parameters)} trained weights, {card.steps:,} steps"),
        ("pool, pictures", pools),
        ("seeds", f"{len(card.seeds)} ({', '.join(map(str, card.seeds))}){few}"),
        ("share of the gradient", shares or "not logged (--set train.shares_every_steps=20 logs it)"),
    ]
    return told + [("missing", one) for one in card.missing]


def costs(card: Card) -> list[tuple[str, ...]]:
    """A row an arm: name, FLOPs of training, samples and seconds of one run."""
    return [(one.arm, flops(one.flops), count(one.samples), seconds(one.seconds)) for one in card.costs]


def _gained(gain: Gain) -> str:
    return f"{signed(gain.value)}{_interval(gain.low, gain.high)}: {gain.label}"


def _exchanged(direction: Direction) -> str:
    found, other = direction.exchange, OTHERS[direction.skill]
    if found.rate is None:
        return f"not known: {found.missing}"
    beyond = _rate(found.beyond_placebo) if found.beyond_placebo else f"not known: {found.missing}"
    return (
        f"one {other} sample is worth {_rate(found.rate)} {direction.skill} samples; less the best placebo's: {beyond} "
        f"(by {found.measure})"
    )


def _rate(rate: Rate) -> str:
    return f"{signed(rate.value)}{_interval(rate.low, rate.high)}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({signed(low)} to {signed(high)})"
