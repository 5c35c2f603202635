"""Training with adapters, dropout and frozen parts that breaks off and goes on ends with the bits of training that did not."""

from pathlib import Path

import pytest
import torch
from test_resume import assert_same_run

import tiny
import unified_training
from bothways.core.rundir import RunDir
from bothways.model.checkpoint import newest
from bothways.model.store import load
from bothways.recipes import assemble

LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.2}


class Broken(Exception):
    """Power cut."""


def break_off(model, step: int) -> None:
    if step == 5:
        raise Broken


def test_adapters_resume_bit_for_bit_and_load_without_what_stands_under_them(tmp_path: Path) -> None:
    recipe = unified_training.recipe(
        model__backbone=tiny.BACKBONE | {"lora": LORA}, model__frozen=["nothing_text"], train__milestones=(5,)
    )
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    with pytest.raises(Broken):
        assemble.train(recipe, broken, on_milestone=break_off)
    assemble.train(recipe, broken, resume=True)
    trained, _ = assemble.train(recipe, whole)
    assert_same_run(broken, whole)
    names = newest(whole / "checkpoints").weights()
    assert not any(name.startswith("backbone.") and "lora_" not in name for name in names)
    loaded, step = load(RunDir(whole))
    assert step == unified_training.STEPS
    for (name, one), (_, other) in zip(trained.named_parameters(), loaded.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    moved = next(weight for name, weight in trained.named_parameters() if "lora_B" in name)
    assert moved.abs().max() > 0
