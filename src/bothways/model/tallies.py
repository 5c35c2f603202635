"""Losses of a batch's rows as one Tally a source and term: what the trainer sums, weighs and divides."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from bothways.core.tally import Tally
from bothways.layout.batch import Batch


def by_source(batch: Batch, found: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tally]:
    """`SOURCE:TERM` -> sum and count. `found`: term -> rows "N" of the batch, and their losses "N"; counts are the batch's own,
    and what it does not count is left out."""
    names = sorted(set(batch.sources))
    source = torch.tensor([names.index(name) for name in batch.sources], device=batch.ids.device)
    tallies = {}
    for term, (rows, losses) in found.items():
        totals = losses.new_zeros(len(names)).index_add(0, source[rows], losses)
        for index, name in enumerate(names):
            key = f"{name}:{term}"
            if batch.counts.get(key):
                tallies[key] = Tally(totals[index], batch.counts[key])
    return tallies
