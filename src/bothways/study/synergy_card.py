"""The synergy card in words, for the terminal, for a page and for Markdown: every line is worded here, once."""

from __future__ import annotations

from pathlib import Path

from bothways.core.disk import write_atomic, write_json
from bothways.study.exchange import Rate
from bothways.study.exchanges import Exchange
from bothways.study.labels import Saved
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
MEANT = (
    "Gains are differences in skill, with 95 % intervals over seeds and pictures at once.",
    "An exchange rate is told of the lower of the levels that two learning curves end at: own samples spared over samples "
    "of the other task; interval over seeds (jackknife). Less a placebo's: what its samples were worth is taken off, of the "
    "placebo with the highest mean. It cannot tell where a curve does not leave the floor, or is there before its first exam; "
    "gates, and what all arms end with at the ceiling, are left out.",
    "Follows the swap: an arm of its own, where one task's texts call two values by each other's names and the other task's "
    "never name them. 1: the other skill always keeps to the exchanged names; 0: it does not know the two apart; "
    "−1: it always keeps to the right ones. Interval over seeds and pictures.",
    "Labels saved: pictures that reading alone needs for the skill that fewer of them give beside drawing, less those; from "
    "the curve of reading alone over their number, straight in its logarithm; interval over seeds (jackknife).",
)
NOT_SHOWN = (
    "What follows the swap or saves labels beyond what a placebo would: those arms have none.",
    "Other sizes, pools and horizons, and settings tuned for each arm.",
)


def write_card(card: Card, out: Path) -> Path:
    """Writes OUT/card.json, card.html and card.md; returns the path of the page. Raises: RunError when the disk refuses."""
    write_json(out / "card.json", card.to_dict())
    values = {
        "card": card,
        "title": f"{RESULTS[card.result][0].upper()}{RESULTS[card.result][1:]}",
        "directions": [(one, headline(one), rows(one)) for one in card.directions],
        "facts": facts(card),
        "labels": labels(card),
        "costs": costs(card),
        "rule": RULE,
        "meant": MEANT,
        "not_shown": NOT_SHOWN,
    }
    write_atomic(out / "card.html", page("synergy.html", values))
    write_atomic(out / "card.md", page("synergy.md", values))
    return out / "card.html"


def headline(direction: Direction) -> str:
    """One sentence on one direction: whether the content helps, and where a gain is none of its doing."""
    skill, other, label = direction.skill, OTHERS[direction.skill], direction.best.label
    least = direction.minimum_effect
    said = {
        "supported": f"What {other} says of its pictures helps {skill}.",
        "refuted": f"{skill.capitalize()} gains less from {other} than from the placebo `{direction.best.control}`.",
        "no effect": f"Beyond a placebo, what {other} says of its pictures moves {skill} by less than {least:g}.",
        "pilot": f"A pilot saw a difference for {skill}; it decides nothing.",
        "undecided": f"Whether {other} helps {skill} is undecided.",
    }[label]
    if label == "refuted" and direction.alone.label == "refuted":
        return f"{said} It is worse than {skill} alone, too."
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
        *((f"exchange rate, {one.name}", _exchanged(direction, one)) for one in direction.exchanges),
        ("follows the swap", _followed(direction)),
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
        ("share of the gradient", shares or "not logged (train.shares_every_steps is 0)"),
        ("set in every arm", ", ".join(f"{key} = {_plain(value)}" for key, value in card.settings.items())),
    ]
    return told + [("missing", one) for one in card.missing]


def labels(card: Card) -> list[tuple[str, str]]:
    """A line a number of labels: what drawing data saves of them."""
    found = card.labels
    if found is None:
        return [("labels saved", "not asked; --labels 50,100 adds arms that read so few pictures")]
    whole = f"reading alone {number(found.alone)}, with drawing {number(found.both)} ({found.measure})"
    return [*((f"with {one.labels:,} labels", _saved(one)) for one in found.points), (f"with all {found.full:,}", whole)]


def costs(card: Card) -> list[tuple[str, ...]]:
    """A row an arm: name, FLOPs of training, samples and seconds of one run."""
    return [(one.arm, flops(one.flops), count(one.samples), seconds(one.seconds)) for one in card.costs]


def _gained(gain: Gain) -> str:
    return f"{signed(gain.value)}{_interval(gain.low, gain.high)}: {gain.label}"


def _exchanged(direction: Direction, found: Exchange) -> str:
    other = OTHERS[direction.skill]
    if found.rate is None:
        return f"cannot tell: {found.missing}"
    beyond = _rate(found.beyond_placebo) if found.beyond_placebo else f"cannot tell: {found.missing}"
    by = "" if found.measure.endswith("/skill") else f" (by {found.measure})"
    placebo = found.placebo.removeprefix(f"{direction.skill}-")
    less = f"less what {placebo} was worth: {beyond}{by}"
    return f"one {other} sample is worth {_rate(found.rate)} {direction.skill} samples; {less}"


def _followed(direction: Direction) -> str:
    found, other = direction.swap, OTHERS[direction.skill]
    if found is None:
        return "not measured: this world has no names to exchange, or was asked too little"
    seeds = "" if len(found.per_seed) < 2 else f"; by seed {', '.join(signed(one) for one in found.per_seed)}"
    taught = "" if found.taught is None else f"; {other} itself: {signed(found.taught)}"
    return (
        f"{signed(found.value)}{_interval(found.low, found.high)} on {found.attribute}{taught}{seeds}; "
        f"{found.exchanged:.0%} by the exchanged name, {found.right:.0%} by the right one, {found.other:.0%} neither, of "
        f"{found.num_pictures:,} pictures a seed"
    )


def _saved(found: Saved) -> str:
    scored = f"reading alone {number(found.alone)}, with drawing {number(found.both)}"
    if found.saved is None:
        return f"{scored}; labels saved: cannot tell, {found.missing}"
    low, high = found.saved.low, found.saved.high
    interval = "" if low is None or high is None else f" ({low:+,.0f} to {high:+,.0f})"
    return f"{scored}; labels saved: {found.saved.value:+,.0f}{interval}".replace("-", "−")


def _rate(rate: Rate) -> str:
    return f"{signed(rate.value)}{_interval(rate.low, rate.high)}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({signed(low)} to {signed(high)})"


def _plain(value: object) -> str:
    return str(value).replace("'", "")
