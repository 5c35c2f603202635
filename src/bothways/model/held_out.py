"""Losses of held-out samples, sample by sample, over one pass or several."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bothways.core.tally import Tally
from bothways.layout.sequence import Duty


@dataclass(frozen=True)
class HeldOut:
    """Losses of one sample's learned text (nats: a negative log-likelihood) and learned image tokens (the head's unit): sums
    and token counts."""

    text: Tally
    image: Tally


def by_sample(losses: dict[Duty, tuple[Tensor, Tensor]], num_samples: int) -> list[HeldOut]:
    """The losses of one pass, as `UnifiedModel.losses` gives them."""
    found = {duty: [Tally(0.0, 0)] * num_samples for duty in Duty}
    for duty, (rows, values) in losses.items():
        totals = torch.zeros(num_samples, dtype=torch.double).index_add(0, rows.cpu(), values.double().cpu())
        counts = torch.bincount(rows.cpu(), minlength=num_samples)
        found[duty] = [Tally(total, count) for total, count in zip(totals.tolist(), counts.tolist(), strict=True)]
    return [HeldOut(text, image) for text, image in zip(found[Duty.TEXT], found[Duty.IMAGE], strict=True)]


def over_passes(passes: list[HeldOut], num_tokens: int) -> HeldOut:
    """The loss of all `num_tokens` image tokens of a sample from passes that each predict some or all of them: the mean of the
    passes' means, a token. Texts read the whole picture in every pass."""
    mean = sum(found.image.mean for found in passes) / len(passes)
    return HeldOut(passes[0].text, Tally(mean * num_tokens, num_tokens))
