"""Batches of one shape, so that models that read different samples can read them together.

Rows get padding up to the longest of all, pictures and lists are filled up to the most of all. What fills a list points to one
position of a row that is added and holds nothing but padding: whatever is written there nobody reads, and what is predicted
there belongs to a source that no batch counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bothways.core.errors import DataError
from bothways.layout.batch import LISTS, PADDED, Batch

FILLING = "filling"  # the source of the added row
# At the position that lists are filled with every index is a valid one.
_VALID = ("ids", "place", "next_place", "source", "picture")
_TOKENS = ("given_tokens", "learned_tokens", "edited_tokens")


def alike(batches: Sequence[Batch]) -> tuple[Batch, dict[str, Any]]:
    """What batches "B S" have in common, and their tensors "N B+1 S" by the names of the fields, `lists` "N L" under theirs.
    With the n-th of each put into it, the common one is batch n again, but for what fills it.

    Raises: DataError when they do not hold the same numbers of samples of the same sources.
    """
    first = batches[0]
    if any(batch.sources != first.sources for batch in batches):
        raise DataError(
            "The seeds have different numbers of samples of their sources in one step, so they cannot be trained as one; train "
            "them one after another."
        )
    rows, length = len(first) + 1, max(batch.ids.shape[1] for batch in batches)
    fields = {name: torch.stack([_filled(name, batch, length) for batch in batches]) for name in _FILLED}
    fields["lists"] = {name: _even([_moved(batch, name, length) for batch in batches], rows * length - 1) for name in LISTS}
    for name in _TOKENS:
        tokens = [getattr(batch, name) for batch in batches]
        known = [some for some in tokens if some is not None]
        if known:
            fields[name] = _even([known[0][:0] if some is None else some for some in tokens], 0)
    counts = {key: sum(batch.counts.get(key, 0) for batch in batches) for batch in batches for key in batch.counts}
    common = replace(first, sources=[*first.sources, FILLING], sample_ids=[], images=[], edited=[], counts=counts)
    return common, fields


_FILLED = PADDED | {"picture": -1, "drawn": False}


def _filled(name: str, batch: Batch, length: int) -> Tensor:
    """A vector of a batch as "B+1 S"."""
    rows = F.pad(getattr(batch, name), (0, length - batch.ids.shape[1], 0, 1), value=_FILLED[name])
    if name in _VALID:
        rows[-1, -1] = 0
    elif name == "predicts":
        rows[-1, -1] = length - 1  # itself
    return rows


def _moved(batch: Batch, name: str, length: int) -> Tensor:
    """The list of a batch, for rows of another length."""
    at, own = batch.at(name), batch.ids.shape[1]
    return at // own * length + at % own


def _even(parts: list[Tensor], value: int) -> Tensor:
    """As "N M ...": every part filled up with `value`."""
    most = max(map(len, parts))
    return torch.stack([torch.cat([part, part.new_full((most - len(part), *part.shape[1:]), value)]) for part in parts])
