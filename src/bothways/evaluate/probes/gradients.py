"""Do the two losses pull the same way? The cosine between the gradients of what is read and of what is drawn, part by part.

A single batch's gradient is mostly noise, so a low cosine alone says nothing. The yardstick is the cosine between gradients of
the *same* loss on other samples: what two pulls in one direction look like through that noise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from bothways.core.errors import DataError
from bothways.layout.batch import Batch
from bothways.model.unified import UnifiedModel

_LAYER = re.compile(r"^backbone\..*?layers\.(\d+)\.")
LOSSES = {"text": "reading", "image": "drawing"}


def cosines(model: UnifiedModel, batches: Iterable[Batch], weights: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row a part of the model (given_projector, layer 1, ..., head): `between` the two losses on different samples,
    `within_reading` and `within_drawing` between batches of one loss, each the mean over pairs of batches; None where a loss
    does not reach the part. `weights`: of loss terms, as in training.

    Raises: DataError when fewer than two batches hold both losses.
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    pulls: dict[str, list[dict[str, Tensor]]] = {loss: [] for loss in LOSSES.values()}
    for batch in batches:
        terms = model.terms(batch)
        for duty, loss in LOSSES.items():
            own = [weights.get(name, 1.0) * it.total / it.count for name, it in terms.items() if name.endswith(f":{duty}")]
            if own:
                pulls[loss].append(_by_part(torch.stack(own).sum(), named))
    if min(map(len, pulls.values())) < 2:
        raise DataError("Gradients of both losses need a run that learns texts and pictures, and at least two steps of it.")
    reading, drawing = pulls["reading"], pulls["drawing"]
    parts = list(dict.fromkeys(part_of(name) for name in named))
    across = [(one, other) for i, one in enumerate(reading) for j, other in enumerate(drawing) if i != j]
    return [
        {
            "part": part,
            "between": _mean(across, part),
            "within_reading": _mean(combinations(reading, 2), part),
            "within_drawing": _mean(combinations(drawing, 2), part),
            "weights": sum(p.numel() for name, p in named.items() if part_of(name) == part),
        }
        for part in parts
    ]


def part_of(name: str) -> str:
    """`layer 1` for a weight of the backbone's first layer, `backbone, rest` for its embeddings and norms, else its room."""
    layer = _LAYER.match(name)
    if layer:
        return f"layer {int(layer[1]) + 1}"
    room = name.split(".")[0]
    return "backbone, rest" if room == "backbone" else room


def _by_part(loss: Tensor, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    flat: dict[str, list[Tensor]] = {}
    for (name, parameter), gradient in zip(named.items(), gradients, strict=True):
        flat.setdefault(part_of(name), []).append((torch.zeros_like(parameter) if gradient is None else gradient).flatten())
    return {part: torch.cat(pieces) for part, pieces in flat.items()}


def _mean(pairs: Iterable[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]], part: str) -> float | None:
    found = [
        float(torch.dot(one[part], other[part]) / (one[part].norm() * other[part].norm()))
        for one, other in pairs
        if one[part].any() and other[part].any()
    ]
    return round(sum(found) / len(found), 4) if found else None
