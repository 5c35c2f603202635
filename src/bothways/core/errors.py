"""Errors that a user can cause. Each message is one sentence or two: what was found, what was expected, what to do.

The command line prints the message and exits with the class's `exit_code`; `--debug` shows the traceback as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BothwaysError(Exception):
    """Base of all errors that are the input's or the machine's fault, not the program's."""

    exit_code = 2


class ConfigError(BothwaysError):
    """A recipe, key, part name or combination that does not exist or does not fit."""


class DataError(BothwaysError):
    """An image, data set or prompt that cannot be used."""

    exit_code = 3


class RunError(BothwaysError):
    """A run folder or checkpoint that cannot be read or written."""

    exit_code = 4


class TrainingError(BothwaysError):
    """Training stopped because going on would be meaningless (a loss that is not finite, say)."""

    exit_code = 5


def nearest(found: str, known: Iterable[str], how_many: int = 3) -> list[str]:
    """The names in `known` that look most like `found`, best first; empty when nothing is close."""
    return difflib.get_close_matches(found, list(known), n=how_many, cutoff=0.5)


def unknown(what: str, found: str, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist: nearest names first, then all of them, or the number of very many."""
    known = sorted(known)
    close = nearest(found, known)
    hint = f" Did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else ""
    told = f"Known: {', '.join(known)}." if len(known) <= _MANY else f"{len(known)} names are known."
    return f"Unknown {what} `{found}`.{hint} {told}"


_MANY = 30
