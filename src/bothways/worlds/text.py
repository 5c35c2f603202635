"""What the texts of every world share: choosing a wording, small words, and text as it is compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def pick(options: Sequence[T], rng: np.random.Generator) -> T:
    """One of the options, all equally likely."""
    return options[int(rng.random() * len(options))]


def plain(text: str) -> str:
    """Lower case, single blanks, and a blank for a hyphen between letters ("top-left")."""
    return " ".join(re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text.lower()).split())


def article(word: str) -> str:
    """The word behind "a" or "an"."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds whole words, longest first."""
    return re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")\b")


def listed(pieces: Sequence[str], rng: np.random.Generator) -> str:
    """The pieces as one sentence: commas between them, now and then "and" before the last of three or more."""
    last_joint = pick((", ", " and "), rng) if len(pieces) > 2 else ", "
    return ", ".join(pieces[:-1]) + (last_joint if len(pieces) > 1 else "") + pieces[-1] + "."
