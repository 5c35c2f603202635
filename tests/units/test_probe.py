"""Probes: the closed form is ridge regression, controls stay at chance, and each kind of label is scored as it says."""

from __future__ import annotations

import pytest
import torch

from bothways.core.errors import DataError
from bothways.vision.probe import Labels, attentive_probe, labels_of, linear_probe, score
from bothways.vision.ridge import Ridge


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dim", [8, 60])
def test_ridge_solves_the_normal_equations_whether_features_are_narrow_or_wide(dim: int):
    x, y = drawn(30, dim), drawn(30, 2, seed=1)
    fitted = Ridge(x).fit(y, penalties=[0.3])
    centred, scale = (x - x.mean(0)).double(), (x - x.mean(0)).double().square().mean().sqrt()
    centred = centred / scale
    unit = centred.square().sum() / dim
    inverse = torch.linalg.inv(centred.T @ centred + 0.3 * unit * torch.eye(dim, dtype=torch.double))
    weight = inverse @ centred.T @ (y - y.mean(0)).double()
    torch.testing.assert_close(fitted(x), (centred @ weight + y.mean(0)).float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dim", [8, 60])
def test_the_penalty_is_the_one_with_the_smallest_leave_one_out_error(dim: int):
    x = drawn(30, dim)
    y = x[:, :1] + 0.7 * drawn(30, 1, seed=1)
    ridge = Ridge(x)
    told = ridge._solve((y - y.mean(0)).double(), float(ridge._values.sum() / dim))[0]
    truth = 0.0
    for out in range(30):
        rest = torch.arange(30) != out
        # Left out after centring on all, as the closed form has it, up to the mean's own leverage.
        centred = (ridge._x[rest] - ridge._x[rest].mean(0)).double()
        penalty = ridge._values.sum() / dim
        weight = torch.linalg.solve(
            centred.T @ centred + penalty * torch.eye(dim, dtype=torch.double), centred.T @ (y[rest] - y[rest].mean(0)).double()
        )
        truth += float(((ridge._x[out] - ridge._x[rest].mean(0)) @ weight + y[rest].mean(0) - y[out]).square().sum())
    assert told == pytest.approx(truth, rel=0.02)


def parts(labels: Labels, num: int) -> tuple[dict[str, Labels], dict[str, Labels]]:
    return {"it": labels[:num]}, {"it": labels[num:]}


def test_each_kind_of_label_is_read_where_it_is_and_its_shuffled_control_is_not():
    x = drawn(600, 10)
    angle = torch.atan2(x[:, 1], x[:, 0]) / (2 * torch.pi) * 12
    kinds = {
        "category": labels_of([("left", "right")[int(v > 0)] for v in x[:, 2]]),
        "circle": labels_of(angle.tolist(), period=12),
        "number": labels_of((2 * x[:, 3] + 5).tolist()),
    }
    for kind, labels in kinds.items():
        assert labels.kind == kind
        fit, test = parts(labels, 400)
        found = linear_probe(x[:400], fit, x[400:], test)["it"]
        assert found.skill > 0.8 and found.n == 200, kind
        control = linear_probe(x[:400], {"it": labels[:400].shuffled()}, x[400:], test)["it"]
        assert abs(control.skill) < 0.25, (kind, control)


def test_an_attentive_probe_finds_a_token_that_moves_about_and_a_mean_does_not():
    tokens = drawn(900, 9, 6)
    where = torch.randint(0, 9, (900,), generator=torch.Generator().manual_seed(5))
    sign = torch.randint(0, 2, (900,), generator=torch.Generator().manual_seed(6))
    rows = torch.arange(900)
    tokens[rows, where] = 0.1 * tokens[rows, where]
    tokens[rows, where, 0] = 6.0
    tokens[rows, where, 1] = 2.0 * sign - 1.0
    fit, test = parts(labels_of(sign.tolist()), 700)
    attentive = attentive_probe(tokens[:700], fit, tokens[700:], test)["it"]
    linear = linear_probe(tokens[:700].flatten(1), fit, tokens[700:].flatten(1), test)["it"]
    assert attentive.value > 0.9 > linear.value
    again = attentive_probe(tokens[:700], fit, tokens[700:], test)["it"]
    assert again == attentive, "a probe is a function of its inputs"


def test_labels_that_say_nothing_are_refused():
    with pytest.raises(DataError, match="missing"):
        labels_of(["a", None])
    with pytest.raises(DataError, match="nothing to tell apart"):
        labels_of(["a", "a"])


def test_a_score_is_the_mean_of_what_every_item_is_worth_and_the_constant_answer_is_worth_nothing():
    fitted, truth = Labels("number", torch.zeros(3, 1)), Labels("number", torch.tensor([[1.0], [1.0], [2.0]]))
    constant = score(torch.zeros(3, 1), truth, fitted)
    assert constant.value == constant.chance == constant.skill == 0.0
    half = score(truth.targets / 2, truth, fitted)
    assert half.value == pytest.approx(0.75) == float(half.values.mean()) and len(half.values) == half.n == 3
