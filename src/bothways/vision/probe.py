"""Probes: how well labels, or other features, can be read off frozen features, by a closed form and by a small attention.

They know tensors and no model: features of a tokenizer, of a projector or of any layer go in alike. Features are Float "M D"
(one vector an item) or, for the attentive probe, "M N D" (N tokens an item). Every score is of items not fitted, in one
shape for all kinds of label, with the score of the best constant answer beside it.

Sources: shuffled labels as a control: Hewitt and Liang 2019 (arXiv 1909.03368), simplified: they assign labels by word type,
we permute labels among items; attentive probe: one query that pools tokens, as in V-JEPA's evaluation (Bardes et al. 2024,
arXiv 2404.08471). The closed form stands in `ridge.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from bothways.core.errors import DataError
from bothways.core.randomness import seed_of
from bothways.vision.ridge import Ridge


@dataclass(frozen=True)
class Labels:
    """One attribute of M items as regression targets.

    `kind`: "category" (one column a class, one-hot), "circle" (cosine and sine), or "number" (one column, standardised).
    """

    kind: str
    targets: Float[Tensor, "M K"]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, items: slice | Tensor) -> Labels:
        return Labels(self.kind, self.targets[items])

    @property
    def classes(self) -> Int[Tensor, "M"]:
        """Index of the class, categories only."""
        return self.targets.argmax(1)

    def shuffled(self, seed: int = 0) -> Labels:
        """The same labels on other items: the control, which no feature can explain."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed_of(seed, "shuffled labels")))
        return self[order]


def labels_of(values: Sequence[Any], period: float | int | None = None) -> Labels:
    """Labels of one attribute. With `period` (60 for a minute) values lie on a circle; else floats are numbers, and everything
    else is a category, its classes in sorted order. Raises: DataError when a value is missing or all are alike."""
    if not len(values) or any(value is None for value in values):
        raise DataError(f"A probe got {len(values)} labels, some of them missing; leave out items without the attribute.")
    if len(set(values)) < 2:
        raise DataError(f"All {len(values)} labels of a probe are {values[0]!r}; there is nothing to tell apart.")
    if period is not None:
        angle = torch.tensor([float(value) for value in values]) * (2 * math.pi / period)
        return Labels("circle", torch.stack([angle.cos(), angle.sin()], 1))
    if all(isinstance(value, float) for value in values):
        number = torch.tensor(values, dtype=torch.float32)[:, None]
        return Labels("number", (number - number.mean()) / number.std().clamp_min(1e-12))
    classes = sorted(set(values), key=lambda value: (str(type(value)), value))
    index = torch.tensor([classes.index(value) for value in values])
    return Labels("category", F.one_hot(index, len(classes)).float())


@dataclass(frozen=True)
class ProbeScore:
    """`value`: accuracy of a category (0 to 1), mean cosine of the angular error of a circle (-1 to 1), share of variance
    explained of a number (at most 1). `chance`: the same of the best constant answer. `values`: of every item; the value is
    their mean."""

    value: float
    chance: float
    unit: str
    n: int
    values: Float[Tensor, "M"] = field(compare=False, repr=False)

    @property
    def skill(self) -> float:
        """0 = the best constant answer, 1 = perfect."""
        return (self.value - self.chance) / (1.0 - self.chance) if self.chance < 1 else 0.0


def score(predicted: Float[Tensor, "M K"], truth: Labels, fitted: Labels) -> ProbeScore:
    """Score of predictions on items not fitted; `fitted` are the labels of the fitted items, which give the constant answer."""
    constant = fitted.targets.mean(0).expand_as(truth.targets)
    found, blind = (values(guess, truth, fitted) for guess in (predicted, constant))
    return ProbeScore(float(found.mean()), float(blind.mean()), _UNITS[truth.kind], len(truth), found)


_UNITS = {"category": "accuracy", "circle": "mean cosine", "number": "R2"}


def values(predicted: Float[Tensor, "M K"], truth: Labels, fitted: Labels) -> Float[Tensor, "M"]:
    """The value of every item, in the unit of `score`, whose mean is the score's."""
    if truth.kind == "category":
        return (predicted.argmax(1) == truth.classes).double()
    if truth.kind == "circle":
        return F.cosine_similarity(predicted, truth.targets, dim=1).double()
    off = (truth.targets - fitted.targets.mean(0)).square().sum(1).double()
    return 1.0 - (predicted - truth.targets).square().sum(1) / off.mean().clamp_min(1e-12)


def linear_probe(
    fit: Float[Tensor, "M D"],
    fit_labels: Mapping[str, Labels],
    test: Float[Tensor, "T D"],
    test_labels: Mapping[str, Labels],
) -> dict[str, ProbeScore]:
    """Ridge probe of every attribute on one factorisation; categories are one-hot targets, the largest wins.

    Both labels of an attribute must come from one `labels_of`, sliced, so that classes have the same columns.
    """
    ridge = Ridge(fit)
    return {name: score(ridge.fit(labels.targets)(test), test_labels[name], labels) for name, labels in fit_labels.items()}


class AttentiveProbe(nn.Module):
    """One query an attribute pools N tokens (softmax over keys with a place of their own); a linear map reads the pool."""

    def __init__(self, num_tokens: int, dim: int, columns: Mapping[str, int], num_heads: int = 4, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed_of(seed, "attentive probe"))

        def drawn(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(shape, generator=generator) * scale)

        self.columns = dict(columns)
        queries = len(self.columns) * num_heads
        self.query = drawn(queries, dim, scale=dim**-0.5)
        self.place = nn.Parameter(torch.zeros(queries, num_tokens))
        self.weights = nn.ParameterList([drawn(num_heads * dim, width, scale=0.02) for width in self.columns.values()])
        self.offsets = nn.ParameterList([nn.Parameter(torch.zeros(width)) for width in self.columns.values()])

    def forward(self, tokens: Float[Tensor, "M N D"], seen: Bool[Tensor, "M N"] | None = None) -> dict[str, Tensor]:
        """Prediction of each attribute: "M K". `seen`: the tokens that may be looked at, at least one an item; None: all."""
        scores = torch.einsum("mnd,qd->mqn", tokens, self.query) + self.place
        attention = (scores if seen is None else scores.masked_fill(~seen[:, None], -torch.inf)).softmax(-1)
        pooled = (attention @ tokens).unflatten(1, (len(self.columns), -1)).flatten(2)  # M, attributes, heads * D
        pairs = zip(self.columns, self.weights, self.offsets, strict=True)
        return {name: pooled[:, i] @ weight + offset for i, (name, weight, offset) in enumerate(pairs)}


@dataclass(frozen=True)
class Attentive:
    """A fitted attentive probe, which reads tokens of the space that it was fitted in, whoever made them."""

    probe: AttentiveProbe
    mean: Float[Tensor, "D"]
    std: Float[Tensor, "D"]

    @torch.no_grad()
    def __call__(self, tokens: Float[Tensor, "M N D"], seen: Bool[Tensor, "M N"] | None = None) -> dict[str, Tensor]:
        """Prediction of each attribute: "M K"; `seen` as in `AttentiveProbe`."""
        return self.probe((tokens - self.mean) / self.std, seen)


def fit_attentive(
    fit: Float[Tensor, "M N D"],
    fit_labels: Mapping[str, Labels],
    *,
    steps: int = 400,
    lr: float = 5e-3,
    batch: int = 128,
    seed: int = 0,
    see: Callable[[Int[Tensor, "B"], torch.Generator], Bool[Tensor, "B N"]] | None = None,
) -> Attentive:
    """A small attentive probe, all attributes trained side by side (each has its own query and weights).

    `see`: (rows of a batch, generator) -> which of their tokens may be looked at this time, for a probe that is to read
    pictures of which only some tokens are there; None: all.
    """
    mean, std = fit.mean((0, 1)), fit.std((0, 1)).clamp_min(1e-6)
    fit = (fit - mean) / std
    probe = AttentiveProbe(
        fit.shape[1], fit.shape[2], {name: it.targets.shape[1] for name, it in fit_labels.items()}, seed=seed
    )
    optimizer = torch.optim.AdamW(probe.parameters(), lr=lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps)
    generator = torch.Generator().manual_seed(seed_of(seed, "attentive probe", "batches"))
    with torch.enable_grad():
        for _ in range(steps):
            rows = torch.randint(len(fit), (batch,), generator=generator)
            predicted = probe(fit[rows], see and see(rows, generator))
            loss = sum(_loss(predicted[name], labels[rows]) for name, labels in fit_labels.items())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return Attentive(probe, mean, std)


def attentive_probe(
    fit: Float[Tensor, "M N D"],
    fit_labels: Mapping[str, Labels],
    test: Float[Tensor, "T N D"],
    test_labels: Mapping[str, Labels],
    **settings: Any,
) -> dict[str, ProbeScore]:
    """Scores of an attentive probe; `settings` are those of `fit_attentive`."""
    answers = fit_attentive(fit, fit_labels, **settings)(test)
    return {name: score(answers[name], test_labels[name], labels) for name, labels in fit_labels.items()}


def _loss(predicted: Tensor, truth: Labels) -> Tensor:
    if truth.kind == "category":
        return F.cross_entropy(predicted, truth.classes)
    return (predicted - truth.targets).square().sum(1).mean()
