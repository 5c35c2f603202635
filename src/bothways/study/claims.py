"""What may be said of several comparisons together: the outcome of each of a study's claims, as one sentence.

Every part is judged first by the study's rule (verdict.py). That all parts hold is said where each does at 5 %, because a false
"all" needs every one of them to err; that some do is corrected by Holm's method, because one that errs is enough. The synergy
card rests on the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bothways.core.config import Config
from bothways.evaluate.statistics import LEVEL, holm
from bothways.study.claim import TRENDS, Claim, Kind
from bothways.study.plots import signed
from bothways.study.study import Study
from bothways.study.trend import Trend
from bothways.study.verdict import Label, Verdict, seeds_told

RULE = {
    "all": "“All” asks for every part to be supported, each at 5 %.",
    "some": "“Some” is corrected for having asked several (Holm).",
    "best placebo": "“The best placebo” is the control without the content that comes closest; the rule asks to beat it.",
    "rises": "A trend is seen where the change along the dial, on a straight line, is supported by the rule; it is not seen "
    "otherwise, and never refuted, because the places that were tried say nothing of those beyond them.",
}
RULE["falls"] = RULE["rises"]


class Part(Config):
    """A comparison or an earlier claim in a claim. `p_holm`: corrected for all parts beside it."""

    name: str
    label: Label
    gain: float | None  # None of a claim, or where it was not measured
    p_value: float | None  # two-sided
    p_holm: float = 1.0


class Outcome(Config):
    """What a claim came to. `p_value`: the chance of such parts where the claim is false, at most."""

    claim: str
    kind: Kind
    label: Label
    headline: str
    sentence: str
    p_value: float | None
    parts: tuple[Part, ...]


def outcomes_of(study: Study, verdicts: Sequence[Verdict], trends: Mapping[str, Trend], num_seeds: int) -> tuple[Outcome, ...]:
    """The outcome of every claim, in order. `trends`: claim -> trend, of those whose measure was there at enough places."""
    by_name = {one.comparison: one for one in verdicts}
    known = {name: _part(one) for name, one in by_name.items()}
    found = []
    for claim in study.claims:
        parts = corrected([known[name] for name in claim.over])
        if num_seeds < study.min_seeds:
            outcome = _too_few(claim, parts, num_seeds, study.min_seeds)
        elif claim.kind in TRENDS:
            outcome = _of_trend(claim, parts, trends.get(claim.name))
        elif claim.kind == "best placebo":
            outcome = _of_placebo(claim, parts, by_name)
        else:
            outcome = _JUDGES[claim.kind](claim, parts)
        known[claim.name] = Part(name=claim.name, label=outcome.label, gain=None, p_value=outcome.p_value)
        found.append(outcome)
    return tuple(found)


def rules_of(study: Study) -> list[str]:
    """How the study's kinds of claims are decided, a sentence each."""
    return list(dict.fromkeys(RULE[claim.kind] for claim in study.claims))


def corrected(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts with Holm's p-values over all of them."""
    p_values = holm_of([part.p_value for part in parts])
    return tuple(part.with_changes({"p_holm": p}) for part, p in zip(parts, p_values, strict=True))


def holm_of(p_values: Sequence[float | None]) -> list[float]:
    """Holm's p-values; one that is not known counts as 1."""
    return holm([1.0 if p is None else p for p in p_values])


def in_all(supported: Sequence[bool]) -> bool:
    """Whether it may be said of all of several."""
    return len(supported) > 1 and all(supported)


def in_some(supported: Sequence[bool], p_holm: Sequence[float]) -> list[bool]:
    """Of which it may be said that it holds at least there."""
    return [one and p < 1 - LEVEL for one, p in zip(supported, p_holm, strict=True)]


def by_gain(gains: Mapping[str, float]) -> list[str]:
    """Names of the controls, the one that is hardest to beat first."""
    return sorted(gains, key=gains.__getitem__)


def _part(verdict: Verdict) -> Part:
    difference = verdict.difference
    gain, p_value = (None, None) if difference is None else (difference.gain, difference.p_value)
    return Part(name=verdict.comparison, label=verdict.label, gain=gain, p_value=p_value)


def _all(claim: Claim, parts: tuple[Part, ...]) -> Outcome:
    p_value = max(1.0 if part.p_value is None else part.p_value for part in parts)
    if in_all(_supported(parts)):
        text = f"Each of the {len(parts)} parts is supported: {_names(parts)}."
        return _outcome(claim, "supported", f"supported in all {len(parts)}", text, p_value, parts)
    against = [part for part in parts if part.label == "refuted" and part.p_holm < 1 - LEVEL]
    if against:
        text = f"The other way went {_names(against)}, after Holm's correction. {_listed(parts)}"
        return _outcome(claim, "refuted", "refuted: not in all", text, p_value, parts)
    return _outcome(claim, "undecided", "not shown in all", f"Not all parts are supported. {_listed(parts)}", p_value, parts)


def _some(claim: Claim, parts: tuple[Part, ...]) -> Outcome:
    p_value = min(part.p_holm for part in parts)
    held = in_some(_supported(parts), [part.p_holm for part in parts])
    if any(held):
        there = [part for part, holds in zip(parts, held, strict=True) if holds]
        text = f"After Holm's correction for {len(parts)} it is supported in {_names(there)}. {_listed(parts)}"
        return _outcome(claim, "supported", f"supported in {len(there)} of {len(parts)}", text, p_value, parts)
    if all(part.label in ("refuted", "no effect") for part in parts):
        return _outcome(claim, "no effect", "in none", f"Every part speaks against it. {_listed(parts)}", p_value, parts)
    text = f"No part is supported after Holm's correction. {_listed(parts)}"
    return _outcome(claim, "undecided", "not shown in any", text, p_value, parts)


_JUDGES: dict[Kind, Callable[[Claim, tuple[Part, ...]], Outcome]] = {"all": _all, "some": _some}


def _of_placebo(claim: Claim, parts: tuple[Part, ...], verdicts: Mapping[str, Verdict]) -> Outcome:
    """By the control that is hardest to beat; and doing both may be no worse than the skill alone."""
    gains = {part.name: part.gain for part in parts if part.gain is not None}
    if len(gains) < len(parts):
        return _unmeasured(claim, parts)
    best = verdicts[by_gain(gains)[0]]
    told = f"The best of {len(parts)} placebos is {best.comparison}. {best.sentence}"
    alone = verdicts[claim.alone].difference if claim.alone else None
    p_value = best.difference.p_value
    if best.label == "supported" and claim.alone and not (alone and alone.gain > 0):
        text = f"{told} Yet the skill alone is no worse, so it is not said that the content helps."
        return _outcome(claim, "undecided", "not shown: alone is no worse", text, p_value, parts)
    return _outcome(claim, best.label, best.headline, told, p_value, parts)


def _of_trend(claim: Claim, parts: tuple[Part, ...], trend: Trend | None) -> Outcome:
    """Seen or not seen; the other way round is not seen either."""
    if trend is None:
        return _unmeasured(claim, parts)
    seen = trend.label == "supported"
    over = f"over {trend.dial} from {trend.first:g} to {trend.last:g}, {len(parts)} settings"
    text = (
        f"The trend is {'' if seen else 'not '}seen {over}: along a straight line the gain "
        f"in {trend.measure} changes by {signed(trend.change)}, 95 % interval {signed(trend.low)} to {signed(trend.high)}."
        f"{'' if seen else ' That refutes nothing beyond these settings.'}"
    )
    headline = "trend seen" if seen else "trend not seen"
    return _outcome(claim, "supported" if seen else "undecided", headline, text, trend.p_value, parts)


def _too_few(claim: Claim, parts: tuple[Part, ...], num_seeds: int, least: int) -> Outcome:
    text = f"{seeds_told(num_seeds)} cannot decide it: the rule asks for at least {least}. {_listed(parts)}"
    return _outcome(claim, "undecided", "undecided at this budget", text, None, parts)


def _unmeasured(claim: Claim, parts: tuple[Part, ...]) -> Outcome:
    why = f"Not every part was measured. {_listed(parts)}"
    return _outcome(claim, "undecided", "undecided: not measured", why, None, parts)


def _outcome(claim: Claim, label: Label, headline: str, why: str, p_value: float | None, parts: tuple[Part, ...]) -> Outcome:
    sentence = f"{claim.sentence if label == 'supported' else f'Not shown: “{claim.sentence}”'} {why}"
    return Outcome(
        claim=claim.name, kind=claim.kind, label=label, headline=headline, sentence=sentence, p_value=p_value, parts=parts
    )


def _supported(parts: Sequence[Part]) -> list[bool]:
    return [part.label == "supported" for part in parts]


def _names(parts: Sequence[Part]) -> str:
    return ", ".join(part.name for part in parts)


def _listed(parts: Sequence[Part]) -> str:
    """reading: supported (p 0.012, after Holm 0.024); drawing: no effect (...)."""
    return "; ".join(f"{part.name}: {part.label}{_p(part)}" for part in parts) + "."


def _p(part: Part) -> str:
    return "" if part.p_value is None else f" (p {part.p_value:.2g}, after Holm {part.p_holm:.2g})"
