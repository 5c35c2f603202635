"""The learning rate, which parameters decay, clipping, milestones."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bothways.core.errors import ConfigError
from bothways.train.config import TrainConfig
from bothways.train.optim import build_optimizer, clip_gradients, learning_rate


@given(steps=st.integers(1, 500), warmup=st.floats(0, 1), schedule=st.sampled_from(["cosine", "constant"]))
def test_the_learning_rate_is_positive_never_above_its_peak_and_rises_then_falls(
    steps: int, warmup: float, schedule: str
) -> None:
    config = TrainConfig(steps=steps, lr=0.5, warmup_share=warmup, schedule=schedule)
    rates = [learning_rate(step, config) for step in range(steps)]
    top = config.warmup_steps
    assert all(0 < rate <= 0.5 for rate in rates)
    assert all(a < b for a, b in pairwise(rates[:top]))
    assert all(a >= b for a, b in pairwise(rates[top:]))


def test_cosine_passes_through_its_known_points() -> None:
    config = TrainConfig(steps=1000, lr=1.0, warmup_share=0.1, final_lr_share=0.2)
    assert learning_rate(0, config) == pytest.approx(0.01)
    assert learning_rate(99, config) == learning_rate(100, config) == 1.0
    assert learning_rate(550, config) == pytest.approx(0.6)
    assert learning_rate(1000, config) == pytest.approx(0.2)


def test_vectors_do_not_decay_and_matrices_do() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    optimizer = build_optimizer(module, TrainConfig(lr=0.1, weight_decay=0.5))
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in module.named_parameters():
        expected = before[name] * (1 - 0.1 * 0.5) if parameter.ndim == 2 else before[name]
        torch.testing.assert_close(parameter.detach(), expected)


def test_the_fused_update_equals_the_formula_of_the_paper() -> None:
    config = TrainConfig(lr=0.01, weight_decay=0.1, betas=(0.8, 0.9))
    torch.manual_seed(0)
    module = nn.Linear(4, 4, bias=False)
    weight, first, second = module.weight.detach().double(), 0, 0
    optimizer = build_optimizer(module, config)
    for step in range(1, 6):
        gradient = torch.randn(4, 4)
        module.weight.grad = gradient.clone()
        optimizer.step()
        g = gradient.double()
        first, second = 0.8 * first + 0.2 * g, 0.9 * second + 0.1 * g * g
        update = (first / (1 - 0.8**step)) / ((second / (1 - 0.9**step)).sqrt() + config.eps)
        weight = weight * (1 - config.lr * config.weight_decay) - config.lr * update
    torch.testing.assert_close(module.weight.detach().double(), weight, rtol=1e-5, atol=1e-6)


def test_a_module_without_trainable_parameters_is_refused() -> None:
    with pytest.raises(ConfigError, match="trainable"):
        build_optimizer(nn.Linear(2, 2).requires_grad_(False), TrainConfig())


@pytest.mark.parametrize(("limit", "expected"), [(1.0, 1.0), (0.0, 5.0), (7.0, 5.0)])
def test_clipping_bounds_the_global_norm_and_reports_the_norm_before(limit: float, expected: float) -> None:
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(3))]
    parameters[0].grad = torch.tensor([3.0])
    parameters[1].grad = torch.tensor([[4.0, 0.0], [0.0, 0.0]])
    assert float(clip_gradients(parameters, limit)) == pytest.approx(5.0)
    after = math.sqrt(sum(float(p.grad.square().sum()) for p in parameters[:2]))
    assert after == pytest.approx(expected)


def test_milestones_are_halvings_of_the_run_or_the_steps_that_were_named() -> None:
    assert TrainConfig(steps=800, milestones=4).milestone_steps == (100, 200, 400, 800)
    assert TrainConfig(steps=2, milestones=9).milestone_steps == (1, 2)
    assert TrainConfig(steps=10, milestones=(7, 0, 12)).milestone_steps == (0, 7)
    assert TrainConfig(steps=10).milestone_steps == ()
    with pytest.raises(ConfigError, match="milestones"):
        TrainConfig.parse({"milestones": -1})
