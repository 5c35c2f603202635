"""The arithmetic of one optimizer step: what is counted, what is minimised, what must be finite.

Loss of a step = sum over terms of weight * total / count, where total and count run over all micro-batches. Counts follow
from the layout, so they are known before the first backward and cutting a step into pieces changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from bothways.core.errors import TrainingError
from bothways.core.tally import Tally


class StepBatch(Protocol):
    """A micro-batch: `counts` says how much of each term it holds, known before the forward pass."""

    counts: Mapping[str, int]
    num_samples: int


class StepStream(Protocol):
    """The data of a run: `batches` is a pure function of the step, so a resumed run needs no saved cursor."""

    def batches(self, step: int) -> list[StepBatch]: ...


def step_counts(batches: Iterable[StepBatch]) -> dict[str, int]:
    """Count of each term over all micro-batches of a step; terms with nothing in them are left out."""
    counts: dict[str, int] = {}
    for batch in batches:
        for name, count in batch.counts.items():
            counts[name] = counts.get(name, 0) + count
    return {name: count for name, count in counts.items() if count}


def step_loss(terms: Mapping[str, Tally], counts: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """The part of each term of one micro-batch in the step's loss; backward goes through their sum."""
    return {name: weights.get(name, 1.0) * tally.total / counts[name] for name, tally in terms.items() if counts.get(name)}


def backward(parts: Mapping[str, Tensor]) -> None:
    """Adds the gradients of the sum; parts that hang on no parameter (an empty term) add none."""
    live = [part for part in parts.values() if isinstance(part, Tensor) and part.requires_grad]
    if live:
        torch.stack(live).sum().backward()


class StepTotals:
    """Sums the terms of a step over its micro-batches, detached."""

    def __init__(self) -> None:
        self.terms: dict[str, Tally] = {}

    def add(self, terms: Mapping[str, Tally]) -> None:
        for name, tally in terms.items():
            total = tally.total.detach() if isinstance(tally.total, Tensor) else tally.total
            seen = Tally(total, tally.count)
            self.terms[name] = self.terms[name] + seen if name in self.terms else seen

    def check_counts(self, counts: Mapping[str, int], step: int) -> None:
        """Raises: TrainingError when the module counted something else than its batches announced."""
        found = {name: int(tally.count) for name, tally in self.terms.items() if tally.count}
        if found != dict(counts):
            raise TrainingError(
                f"At step {step} the batches announced the counts {dict(counts)} and the module's terms counted {found}; "
                "the loss would be weighted wrongly, so make `batch.counts` and `terms` agree."
            )

    def means(self) -> dict[str, float]:
        """Mean of each term as a float."""
        return {name: tally.mean for name, tally in self.terms.items() if tally.count}


def check_finite(means: Mapping[str, float], grad_norm: float, module: nn.Module, step: int, last_good: Path | None) -> None:
    """Raises: TrainingError naming step, term and the last good checkpoint, when a loss or gradient is not finite."""
    bad = {name: value for name, value in means.items() if not math.isfinite(value)}
    advice = f"The last good checkpoint is {last_good}; a lower lr, a longer warmup or a smaller clip may help."
    if bad:
        found = ", ".join(f"`{name}` is {value}" for name, value in bad.items())
        raise TrainingError(f"The loss at step {step} is not finite: {found}. {advice}")
    if not math.isfinite(grad_norm):
        terms = ", ".join(f"`{name}` {value:.4g}" for name, value in means.items())
        where = next((n for n, p in module.named_parameters() if p.grad is not None and not p.grad.isfinite().all()), "all")
        raise TrainingError(
            f"The gradient at step {step} is not finite (first in `{where}`), although the losses are ({terms}). {advice}"
        )


def check_weights(module: nn.Module, step: int, last_good: Path | None) -> None:
    """Raises: TrainingError when a weight is not finite or a buffer holds NaN; called before anything is saved."""
    bad = [name for name, p in module.named_parameters() if not p.isfinite().all()]
    bad += [name for name, b in module.named_buffers() if b.is_floating_point() and b.isnan().any()]
    if bad:
        raise TrainingError(
            f"After step {step} the weights of `{bad[0]}` are not finite, so nothing was saved; the last good checkpoint is "
            f"{last_good}; a lower lr or a longer warmup may help."
        )
