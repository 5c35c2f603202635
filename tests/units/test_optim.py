"""Muon beside AdamW: who trains what, at which rate, and what a Muon step is."""

from __future__ import annotations

import pytest
import torch

from bothways.core.errors import ConfigError
from bothways.train.config import TrainConfig
from bothways.train.muon import step_together
from bothways.train.optim import build_optimizer
from toy_training import build

MUON = {"parts": ("backbone",)}


def test_muon_takes_the_matrices_of_the_parts_named_and_adamw_the_rest() -> None:
    module = build()
    optimizer = build_optimizer(module, TrainConfig(muon=MUON))
    held = {id(p): type(part) for part in optimizer.parts for group in part.param_groups for p in group["params"]}
    names = {name for name, p in module.named_parameters() if held[id(p)] is torch.optim.Muon}
    assert names == {"backbone.0.weight"}
    assert len(held) == len(list(module.parameters()))


def test_every_group_keeps_its_share_of_the_rate() -> None:
    optimizer = build_optimizer(build(), TrainConfig(lr=0.01, muon=MUON | {"lr_share": 2.5}))
    optimizer.set_lr(0.004)
    rates = {type(part): {group["lr"] for group in part.param_groups} for part in optimizer.parts}
    assert rates == {torch.optim.AdamW: {0.004}, torch.optim.Muon: {0.01}}


def test_a_first_muon_step_moves_along_the_nearest_orthogonal_matrix() -> None:
    """The slow, obvious way: a singular value decomposition. Five Newton-Schulz steps in bf16 only come near it."""
    module = build()
    weight = module.backbone[0].weight
    before = weight.detach().clone()
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    build_optimizer(module, TrainConfig(lr=0.01, weight_decay=0.0, muon=MUON)).step()
    step = before - weight.detach()
    u, _, vt = torch.linalg.svd(weight.grad, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(step.flatten(), (u @ vt).flatten(), dim=0) > 0.97
    assert step.square().mean().sqrt().item() == pytest.approx(0.01 * 0.2, rel=0.25)  # 0.2: what AdamW's updates measure


def test_frozen_parts_may_be_named_and_leave_adamw_alone() -> None:
    module = build()
    module.backbone.requires_grad_(False)
    assert [type(part) for part in build_optimizer(module, TrainConfig(muon=MUON)).parts] == [torch.optim.AdamW]


def test_parts_without_a_matrix_are_refused_naming_where_matrices_lie() -> None:
    with pytest.raises(ConfigError, match=r"backbones, which train.muon.parts names; there are matrices in .*backbone"):
        build_optimizer(build(), TrainConfig(muon={"parts": ("backbones",)}))


def test_a_step_of_several_muons_together_is_a_step_of_each() -> None:
    """Tall, wide and square matrices; one of them is without a gradient at the second step."""

    def moved(together: bool) -> list[torch.Tensor]:
        draws = torch.Generator().manual_seed(0)
        owned = [[torch.nn.Parameter(torch.randn(s, generator=draws)) for s in ((8, 4), (4, 8), (6, 6))] for _ in range(3)]
        muons = [torch.optim.Muon(own, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw") for own in owned]
        for step in range(3):
            for number, own in enumerate(owned):
                for at, matrix in enumerate(own):
                    gradient = torch.randn(matrix.shape, generator=draws)
                    matrix.grad = None if (step, number, at) == (1, 2, 0) else gradient
            if together:
                step_together(muons)
            else:
                for muon in muons:
                    muon.step()
        return [matrix.detach() for own in owned for matrix in own]

    for one, other in zip(moved(together=False), moved(together=True), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=2e-3)  # an update is 0.02 * 0.2 * sqrt(8) = 0.01, in bf16
