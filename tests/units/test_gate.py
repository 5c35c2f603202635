"""The gradient gate: what the image losses tell the backbone, from everything to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import tiny
import unified_training
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.heads.configs import RegressionConfig
from bothways.layout.batch import Batch
from bothways.model.config import ModelConfig
from bothways.recipes import assemble
from bothways.train.config import TrainConfig
from bothways.train.trainer import Trainer

STEPS = 5
RAMP = {"kind": "ramp", "first": 0.0, "last": 1.0, "steps": 10}


class InTurn:
    """Reading in one piece and drawing in another, so that what the reading piece computes hangs on no other's shape."""

    def __init__(self, *streams: Any):
        self.streams = streams

    def batches(self, step: int) -> list[Batch]:
        return [batch for stream in self.streams for batch in stream.batches(step)]


def trained(path: Path, gate: float, *patterns: str, **changes: Any) -> dict[str, torch.Tensor]:
    model = tiny.model(given=tiny.PATCHES, learned=tiny.PATCHES, head={"kind": "regression"}, gate=gate)
    stream = InTurn(*(tiny.stream(model, {pattern: 3}) for pattern in patterns))
    settings = {"steps": STEPS, "lr": 3e-3, "threads": 1, "micro_batches": len(patterns), "clip": 0.3, "clip_apart": ["head"]}
    config = TrainConfig.parse(settings | changes)
    fitted = Trainer(model, stream, config, RunDir.create(path, {})).fit()
    return load_file(fitted.checkpoint / "model.safetensors")


def test_behind_a_closed_gate_the_backbone_is_bit_for_bit_what_reading_alone_makes_of_it(tmp_path: Path):
    alone = trained(tmp_path / "alone", 0.0, "reading")
    closed = trained(tmp_path / "closed", 0.0, "reading", "drawing")
    opened = trained(tmp_path / "open", 1.0, "reading", "drawing")
    others = [name for name in alone if not name.startswith("head.")]
    assert any(name.startswith("backbone.") for name in others)
    assert all(torch.equal(alone[name], closed[name]) for name in others)
    assert not all(torch.equal(alone[name], opened[name]) for name in others if name.startswith("backbone."))
    assert not torch.equal(alone["head.prediction.weight"], closed["head.prediction.weight"]), "the head learns outside"


def test_a_head_that_is_clipped_with_the_others_shortens_their_update(tmp_path: Path):
    """Why `clip_apart` is there: without it a closed gate does not leave the backbone alone."""
    alone = trained(tmp_path / "alone", 0.0, "reading", clip_apart=[])
    closed = trained(tmp_path / "closed", 0.0, "reading", "drawing", clip_apart=[])
    assert not all(torch.equal(alone[name], closed[name]) for name in alone if name.startswith("backbone."))


def gradients(gate: Any, step: int = 0) -> dict[str, torch.Tensor]:
    model = tiny.model(given=tiny.PATCHES, learned=tiny.PATCHES, head={"kind": "regression"}, gate=gate)
    model.before_step(step)
    model.terms(tiny.batch_of(model, [tiny.sample("drawing")]))["drawing:image"].total.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("gate", "step", "share"), [(0.25, 0, 0.25), (RAMP, 3, 0.3), (RAMP, 99, 1.0)])
def test_the_gate_scales_the_gradient_of_all_but_the_head(gate: Any, step: int, share: float):
    whole, scaled = gradients(1.0), gradients(gate, step)
    assert whole.keys() == scaled.keys()
    for name in whole:
        factor = 1.0 if name.startswith("head.") else share
        torch.testing.assert_close(scaled[name], factor * whole[name], rtol=1e-5, atol=1e-7)
    assert {name.split(".")[0] for name in gradients(0.0)} == {"head"}
    assert {name.split(".")[0] for name in gradients(RAMP, 0)} == {"head"}


def test_a_closed_gate_without_another_loss_is_refused_before_a_folder_is_made(tmp_path: Path):
    drawing_alone = {"watch/vqa": {"samples_per_step": 0}, "watch/caption": {"samples_per_step": 0}}
    with pytest.raises(ConfigError, match=r"gate is closed and the only losses are of images \(watch/draw:image\).*open"):
        assemble.train(unified_training.recipe(model__gate=0.0, data__sources=drawing_alone), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_head_inside_the_backbone_has_no_gate_and_a_gate_is_between_0_and_1(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=r"a gate is between 0 and 1"):
        tiny.config(gate=RAMP | {"last": 2.0})
    with pytest.raises(ConfigError, match=r"gate"):
        tiny.config(gate=1.5)
    monkeypatch.setattr(RegressionConfig, "inside_backbone", True)
    with pytest.raises(ConfigError, match=r"`regression` works inside the backbone, .*leave model.gate at 1"):
        ModelConfig.parse({"given": tiny.PATCHES, "learned": tiny.PATCHES, "head": {"kind": "regression"}, "gate": 0.5})
