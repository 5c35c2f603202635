"""CKA: do the states of a picture that is read and of the same picture that is drawn tell pictures apart alike?

Source: Kornblith et al. 2019 (arXiv 1905.00414), linear kernel; with the unbiased estimator of HSIC (Song et al. 2012), because
the plain one nears 1 when there are more channels than pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.randomness import seed_of
from bothways.evaluate.probes.states import States


def cka(x: Float[Tensor, "M D"], y: Float[Tensor, "M E"]) -> float:
    """1 when the pictures lie to each other in x as in y, up to rotation and scale; about 0 when nothing is shared."""
    k, q = _gram(x), _gram(y)
    scale = (_hsic(k, k) * _hsic(q, q)).clamp_min(1e-24).sqrt()
    return float(_hsic(k, q) / scale)


def similarities(given: States, learned: States, untrained: tuple[States, States], seed: int = 0) -> list[dict[str, Any]]:
    """One row a stage: `value`, the same between pictures shuffled (`shuffled`) and in the untrained model (`untrained`)."""
    num = len(next(iter(given.values())))
    order = torch.randperm(num, generator=torch.Generator().manual_seed(seed_of(seed, "cka")))
    rows = []
    for stage in given:
        x, y = given[stage].flatten(1), learned[stage].flatten(1)
        raw = cka(*(side[stage].flatten(1) for side in untrained))
        row = {"value": cka(x, y), "shuffled": cka(x, y[order]), "untrained": raw}
        rows.append({"stage": stage, **{key: round(value, 4) for key, value in row.items()}, "n": num})
    return rows


def _gram(x: Float[Tensor, "M D"]) -> Float[Tensor, "M M"]:
    x = x.double() - x.double().mean(0)
    gram = x @ x.T
    return gram - torch.diag(gram.diag())


def _hsic(k: Float[Tensor, "M M"], q: Float[Tensor, "M M"]) -> Tensor:
    """Unbiased, of two Gram matrices whose diagonals are 0; not divided by its constant, which cancels."""
    m = len(k)
    return (k * q).sum() + k.sum() * q.sum() / ((m - 1) * (m - 2)) - 2 * (k.sum(0) * q.sum(0)).sum() / (m - 2)
