"""The moving average of the weights: what it is, what it leaves alone, and who uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bothways.core.rundir import RunDir
from bothways.model import checkpoint
from bothways.train.average import Average, decay
from bothways.train.config import AverageConfig, TrainConfig
from bothways.train.trainer import Trainer
from toy_training import Toy, ToyStream, build

STEPS = 12


def train(path: Path, average: dict | None, on_milestone=None) -> Toy:
    config = TrainConfig(steps=STEPS, lr=1e-2, threads=1, average=average, milestones=(STEPS // 2,))
    module = build()
    run = RunDir.create(path, config.to_dict(), resume=(path / "config.yaml").exists())
    Trainer(
        module, ToyStream(), config, run, on_milestone=None if on_milestone is None else lambda _: on_milestone(module)
    ).fit()
    return module


def test_the_average_is_the_sum_that_its_definition_says() -> None:
    module, config = nn.Linear(2, 3), AverageConfig(decay=0.6)
    average, mean = Average(module, config), module.weight.detach().double().clone()
    for step in range(20):
        with torch.no_grad():
            module.weight += torch.randn(3, 2, generator=torch.Generator().manual_seed(step))
        average.update(step)
        kept = min(0.6, (1 + step) / (10 + step))
        mean = kept * mean + (1 - kept) * module.weight.detach().double()
    torch.testing.assert_close(average.weights["weight"].double(), mean, rtol=1e-5, atol=1e-6)


def test_the_decay_grows_to_the_one_asked_for() -> None:
    shares = [decay(step, AverageConfig(decay=0.99)) for step in range(2000)]
    assert shares[0] == 0.1 and shares == sorted(shares) and shares[-1] == 0.99


def test_only_what_is_trained_is_averaged() -> None:
    module = build()
    module.image.requires_grad_(False)
    names = set(Average(module, AverageConfig()).weights)
    assert names == {name for name, p in module.named_parameters() if p.requires_grad} and "image.weight" not in names


def test_training_with_an_average_is_bit_for_bit_training_without_and_the_run_is_used_with_the_average(tmp_path: Path) -> None:
    plain, averaged = train(tmp_path / "plain", None), train(tmp_path / "averaged", {"decay": 0.9})
    found = checkpoint.find(RunDir.open(tmp_path / "averaged"))
    untouched, loaded = build(), build()
    found.load_into(untouched, averaged=False)
    found.load_into(loaded)
    for name, weight in plain.named_parameters():
        assert torch.equal(dict(untouched.named_parameters())[name], weight), name
        assert torch.equal(dict(loaded.named_parameters())[name], dict(averaged.named_parameters())[name]), name
    assert not torch.equal(averaged.image.weight, plain.image.weight)


def test_milestones_see_the_average_and_leave_training_as_it_was(tmp_path: Path) -> None:
    seen = []
    train(tmp_path / "run", {"decay": 0.9}, lambda module: seen.append(module.image.weight.detach().clone()))
    at = checkpoint.find(RunDir.open(tmp_path / "run"), STEPS // 2)
    assert torch.equal(seen[0], at.average()["image.weight"])
    assert torch.equal(
        train(tmp_path / "other", {"decay": 0.9}).image.weight, train(tmp_path / "run", {"decay": 0.9}).image.weight
    )


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_decay_that_forgets_nothing_or_everything_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        AverageConfig(decay=share)
