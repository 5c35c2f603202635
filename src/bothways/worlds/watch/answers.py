"""Answers: the canonical one, what a given one means, and what it is worth."""

from __future__ import annotations

import re
from typing import Any

from bothways.core.errors import DataError, unknown
from bothways.worlds.text import plain
from bothways.worlds.watch.facts import TWO_FACTS, Facts, time_text
from bothways.worlds.watch.words import Vocabulary

_PERIODS = {"hour": 12, "minute": 60, "second": 60}


def value_of(attribute: str, facts: Facts, parts: tuple[str, ...]) -> Any:
    """The true value of any attribute, derived ones too: a word, a whole number, or "07:35:12" for the time.

    Raises: DataError when there is no such attribute, or the facts that it needs are not told.
    """
    try:
        if attribute == "time" and parts:
            return time_text(facts, parts)
        return TWO_FACTS[attribute].value(facts) if attribute in TWO_FACTS else facts[attribute]
    except KeyError:
        raise DataError(unknown("attribute of this watch world", attribute, [*facts, "time", *TWO_FACTS])) from None


def answer_text(attribute: str, value: Any, vocabulary: Vocabulary) -> str:
    """The short answer that states `value`: "sunny", "top left", "7", "57%", "07:35:12", "yes"."""
    if attribute == "battery":
        return f"{value}%"
    return vocabulary.word(attribute, value)


def understand(attribute: str, text: str, vocabulary: Vocabulary, parts: tuple[str, ...]) -> Any:
    """The value that an answer states, in the types of `value_of`; None when it is malformed or no such value exists.

    Case, surrounding blanks, a full stop and a hyphen between words do not matter; anything else around the value does.
    """
    text = plain(text).removesuffix(".")
    if attribute == "weather":
        return vocabulary.weather_kinds.get(text)
    if attribute == "time":
        return _time(text, parts)
    if attribute == "minutes_to_hour":
        return _number(text, range(1, 61))
    if attribute in TWO_FACTS:
        return text if text in ("yes", "no") else None
    possible = vocabulary.values.get(attribute, ())
    if attribute == "battery":
        text = text.removesuffix("%").rstrip()
    return _number(text, possible) if attribute in (*_PERIODS, "battery") else (text if text in possible else None)


def grade(attribute: str, found: Any, true: Any) -> float:
    """P1's score in [0, 1] of a value against the true one; None is worth nothing.

    Time: 1 - the mean of its hands' circular errors (h/6, m/30, s/30); one hand alone likewise; battery 1 - |error|/100;
    everything else is right or wrong. Source: P1's evaluation script (seeds 1.4).
    """
    if found is None:
        return 0.0
    if attribute == "time":
        pairs = zip(_PERIODS.values(), found.split(":"), true.split(":"), strict=False)
        scores = [_circular(int(a), int(b), period) for period, a, b in pairs]
        return sum(scores) / len(scores)
    if attribute in _PERIODS:
        return _circular(found, true, _PERIODS[attribute])
    if attribute == "battery":
        return 1 - abs(found - true) / 100
    return float(found == true)


def _circular(found: int, true: int, period: int) -> float:
    apart = (found - true) % period
    return 1 - min(apart, period - apart) / (period / 2)


def _number(text: str, possible: Any) -> int | None:
    value = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else -1
    return value if value in possible else None


def _time(text: str, parts: tuple[str, ...]) -> str | None:
    pieces = text.split(":")
    if not parts or len(pieces) != len(parts) or not all(re.fullmatch(r"[0-9]{1,2}", piece) for piece in pieces):
        return None
    values = [int(piece) for piece in pieces]
    in_range = all(value < limit for value, limit in zip(values, (13, 60, 60), strict=False))
    return ":".join(f"{value:02d}" for value in values) if in_range else None
