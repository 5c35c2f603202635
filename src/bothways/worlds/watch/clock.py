"""A time as people say it: "ten past four", "half past four", "quarter to five", "four o'clock"."""

from __future__ import annotations

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip


def in_words(hour: int, minute: int) -> str:
    """The time on a dial of twelve hours; `hour` 0 or 12 is twelve, `minute` in 0 to 59."""
    if minute == 0:
        return f"{_hour(hour)} o'clock"
    if minute == 30:
        return f"half past {_hour(hour)}"
    if minute < 30:
        return f"{_minutes(minute)} past {_hour(hour)}"
    return f"{_minutes(60 - minute)} to {_hour(hour + 1)}"


def _hour(hour: int) -> str:
    return _ONES[hour % 12 or 12]


def _minutes(minutes: int) -> str:
    """1 to 29."""
    if minutes == 15:
        return "quarter"
    return _ONES[minutes] if minutes < 20 else f"twenty {_ONES[minutes - 20]}" if minutes > 20 else "twenty"
