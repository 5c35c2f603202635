"""The verdict: supported, refuted, no effect, or undecided, with the sentences that say why. The rule is the study's
(`Study.rule`); how often it errs is counted on studies whose truth is known (`study/simulate.py`)."""

from __future__ import annotations

import math
from typing import Literal

from bothways.core.config import Config
from bothways.evaluate.statistics import detectable, seeds_needed
from bothways.study.compare import Difference
from bothways.study.plots import signed
from bothways.study.study import Comparison, Study

Label = Literal["supported", "refuted", "no effect", "pilot", "undecided"]
Direction = Literal["ahead", "behind", "level", "unknown"]


class Verdict(Config):
    """`direction` is what was seen in these runs: the treatment ahead, behind, or level (the interval holds 0)."""

    comparison: str
    question: str
    primary: str
    label: Label
    headline: str  # "undecided at this budget"
    direction: Direction
    sentence: str  # why
    cannot_say: str  # what these seeds leave open; empty with enough of them
    difference: Difference | None


def verdict(study: Study, comparison: Comparison, difference: Difference | None, scope: str = "") -> Verdict:
    """Applies the study's rule to one comparison; `difference` is that of its primary measure, None when it is missing.
    `scope`: the size, pool, samples and horizon of the treatment (`study/scope.py`), which the sentence names."""
    if difference is None:
        missing = f"`{comparison.primary}` was not measured in both arms, so nothing can be said."
        return _verdict(comparison, None, "undecided", "undecided: not measured", "unknown", missing, "")
    label, headline, why = _decide(study, comparison, difference)
    sentence = f"{_seen(comparison, difference)} {why}" + (f" All this at {scope}." if scope else "")
    return _verdict(
        comparison, difference, label, headline, direction_of(difference), sentence, _open(study, comparison, difference)
    )


def direction_of(difference: Difference) -> Direction:
    """Where the treatment stands, as far as the interval tells."""
    if difference.low is None or difference.high is None:
        return "unknown"
    if difference.low <= 0 <= difference.high:
        return "level"
    return "ahead" if difference.gain > 0 else "behind"


def _decide(study: Study, comparison: Comparison, difference: Difference) -> tuple[Label, str, str]:
    least, both = comparison.minimum_effect, (difference.treatment, difference.control)
    if comparison.reaches is not None:
        if difference.num_censored == 2 * difference.num_seeds:
            return "undecided", "undecided: no run says when", f"No run gets to {comparison.reaches:g} between its exams."
    elif max(both) < study.floor:
        return "undecided", "undecided: nothing learned yet", f"Both arms lie below {study.floor:g}, where no effect can show."
    elif min(both) > study.ceiling:
        return "undecided", "undecided: no room left", f"Both arms lie above {study.ceiling:g}, where no effect can show."
    low, high = gains(difference.low, difference.high, difference.higher_is_better)
    if difference.num_seeds < study.min_seeds:
        why = f"{seeds_told(difference.num_seeds)} cannot decide it: the rule asks for at least {study.min_seeds}."
        seen = difference.num_seeds > 1 and (low > 0 or high < 0)
        return ("pilot", "a pilot saw a difference", why) if seen else ("undecided", "undecided at this budget", why)
    spread = difference.spread
    narrow = gains(spread.low_90, spread.high_90, difference.higher_is_better) if spread else (low, high)
    label = decide(difference.gain, (low, high), narrow, least)
    if label == "no effect" and difference.num_censored:
        why = f"Of {difference.num_censored} runs only a bound is known, which draws the difference towards 0."
        return "undecided", "undecided: runs are censored", why
    return label, _HEADLINES[label].format(least=least), _REASONS[label].format(least=least)


_HEADLINES = {
    "supported": "supported",
    "refuted": "refuted",
    "no effect": "no effect larger than {least:g}",
    "undecided": "undecided",
}
_REASONS = {
    "supported": "The interval lies above 0 and the difference reaches the minimum effect of {least:g}.",
    "refuted": "The whole interval lies below 0.",
    "no effect": "The 90 % interval lies between -{least:g} and +{least:g}: no effect of that size either way.",
    "undecided": "The interval holds both differences that would matter (at least {least:g}) and ones that would not.",
}


def decide(gain: float, whole: tuple[float, float], narrow: tuple[float, float], least: float) -> Label:
    """The rule with enough seeds: of a gain, its 95 % interval (`whole`) and its 90 % one (`narrow`).

    The 90 % interval makes two one-sided tests at 5 % of it, which is how the absence of an effect is shown; both that and an
    effect below zero may hold, and then the smaller claim is made.
    Source: D. J. Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987 (two one-sided tests).
    """
    if -least < narrow[0] and narrow[1] < least:
        return "no effect"
    if whole[0] > 0 and gain >= least:
        return "supported"
    return "refuted" if whole[1] < 0 else "undecided"


def gains(low: float | None, high: float | None, higher_is_better: bool) -> tuple[float, float]:
    """The interval of the gain, endless where nothing is known."""
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    return ends if higher_is_better else (-ends[1], -ends[0])


def _seen(comparison: Comparison, difference: Difference) -> str:
    where = {
        "ahead": f"{comparison.treatment} was ahead",
        "behind": f"{comparison.treatment} was behind",
        "level": "neither arm was clearly ahead",
        "unknown": "no interval can be given",
    }[direction_of(difference)]
    runs = "In this one pair of runs" if difference.num_seeds == 1 else f"Over {difference.num_seeds} paired seeds"
    interval = "" if difference.low is None else f", 95 % interval {signed(difference.low)} to {signed(difference.high or 0.0)}"
    over = f" over {difference.num_pictures} pictures" if difference.num_seeds == 1 else ""
    return (
        f"{runs} {where}: {comparison.treatment} {difference.treatment:.3f}, {comparison.control} {difference.control:.3f}, "
        f"difference {signed(difference.value)}{interval}{over}{_in(comparison, difference)}."
    )


def _in(comparison: Comparison, difference: Difference) -> str:
    """What is compared, where that is no value at the end of a run."""
    if comparison.reaches is None:
        return ""
    bounds = f", a bound in {difference.num_censored} of {2 * difference.num_seeds} runs" if difference.num_censored else ""
    return f" (log2 of the steps to {comparison.reaches:g} in {comparison.primary}{bounds})"


def _open(study: Study, comparison: Comparison, difference: Difference) -> str:
    """What too few seeds leave open, and what would decide it."""
    num, sd, least = difference.num_seeds, comparison.seed_sd, comparison.minimum_effect
    if num >= study.min_seeds:
        label, *_ = _decide(study, comparison, difference)
        return _would_decide(difference, least) if label == "undecided" else ""
    text = (
        "The interval is over pictures. It says how far these very models differ on new pictures, not what another draw of "
        "initial weights and data order would give."
        if num == 1
        else f"With {num} seeds the interval over seeds is wide, and one odd run can decide its sign."
    )
    if sd:
        from_where = f" ({comparison.seed_sd_source})" if comparison.seed_sd_source else ""
        text += f" Paired differences of such runs spread over seeds with a standard deviation of about {sd:g}{from_where}"
        if num == 1:
            often = (
                "less than what luck alone often gives"
                if abs(difference.value) < 2 * sd
                else "more than luck alone often gives"
            )
            text += f", so {signed(difference.value)} in one pair is {often}"
        else:
            text += f", so {num} seeds would show a true difference of {detectable(sd, num):.2f} or more"
        text += f". To see one of {least:g} four times in five takes about {seeds_needed(least, sd)} paired seeds."
    return text


def _would_decide(difference: Difference, least: float) -> str:
    """How many seeds, or how many pictures, the parts of this spread ask for."""
    spread = difference.spread
    if spread is None:
        return ""
    of_answers = spread.residual_sd / math.sqrt(difference.num_pictures)
    per_seed = math.hypot(spread.seed_sd, of_answers)
    short = f" ({of_answers:.2g} of it because an exam is short)" if of_answers else ""
    text = (
        f"Between seeds the difference spreads with a standard deviation of {per_seed:.2g}{short}. To see one of {least:g} "
        f"four times in five takes about {seeds_needed(least, max(per_seed, 1e-6))} seeds"
    )
    of_pictures = spread.picture_sd / math.sqrt(difference.num_pictures)
    if 2 * of_pictures > least:
        text += f", and more pictures: which ones were asked moves the mean by {of_pictures:.2g} however many seeds there are"
    return text + "."


def seeds_told(num: int) -> str:
    """One seed; 3 seeds."""
    return "One seed" if num == 1 else f"{num} seeds"


def _verdict(
    comparison: Comparison,
    difference: Difference | None,
    label: Label,
    headline: str,
    direction: Direction,
    sentence: str,
    cannot_say: str,
) -> Verdict:
    return Verdict(
        comparison=comparison.name,
        question=comparison.question,
        primary=comparison.primary,
        label=label,
        headline=headline,
        direction=direction,
        sentence=sentence,
        cannot_say=cannot_say,
        difference=difference,
    )
