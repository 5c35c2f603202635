"""Loss weights that move: straight ramps, and weights that give a term its share of the gradient."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bothways.core.errors import ConfigError
from bothways.core.ramp import RampConfig
from bothways.core.rundir import RunDir
from bothways.train.config import TrainConfig
from bothways.train.log import read_log
from bothways.train.trainer import Trainer
from bothways.train.weights import Weights
from toy_training import ToyStream, build

RAMP = {"kind": "ramp", "first": 0.5, "last": 2.5, "steps": 4}


def share(of: float, **more: Any) -> dict[str, Any]:
    return {"kind": "share", "share": of, "every_steps": 2} | more


def config(weights: dict[str, Any], **changes: Any) -> TrainConfig:
    return TrainConfig.parse({"steps": 30, "lr": 1e-2, "threads": 1, "weights": weights, "shares_every_steps": 5} | changes)


def trained(path: Path, chosen: TrainConfig, stop_at: int | None = None) -> list[dict[str, Any]]:
    class Stopped(Exception):
        pass

    def stop(step: int) -> None:
        raise Stopped

    run = RunDir.create(path, {}, resume=path.exists())
    trainer = Trainer(build(0.0), ToyStream(chosen.micro_batches), chosen, run, on_milestone=stop if stop_at else None)
    with suppress(Stopped):
        trainer.fit()
    return read_log(path / "log.jsonl")


def test_a_ramp_is_straight_and_then_level_and_is_what_was_minimised(tmp_path: Path):
    assert [RampConfig(**RAMP).at(step) for step in (0, 1, 2, 4, 99)] == [0.5, 1.0, 1.5, 2.5, 2.5]
    for line in trained(tmp_path / "run", config({"image": RAMP}, steps=6)):
        weight, terms = min(2.5, 0.5 * line["step"]), line["terms"]
        assert line["weights"] == {"image": pytest.approx(weight)}
        assert line["loss"] == pytest.approx(terms["text"] + weight * terms["image"])


@pytest.mark.parametrize("wanted", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_a_term_gets_the_share_of_the_gradient_that_it_is_promised(wanted: float, micro_batches: int, tmp_path: Path):
    lines = trained(tmp_path / "run", config({"image": share(wanted)}, micro_batches=micro_batches))
    found = [line["shares"]["image"] for line in lines if "shares" in line][5:]
    assert sum(found) / len(found) == pytest.approx(wanted, abs=0.08)
    without = trained(tmp_path / "plain", config({}, micro_batches=micro_batches))
    plain = [line["shares"]["image"] for line in without if "shares" in line][5:]
    assert abs(sum(plain) / len(plain) - wanted) > 0.05, "which it would not have had"


def test_several_shares_are_solved_for_at_once_and_smoothed_in_the_logarithm():
    weights = Weights(config({"a": share(0.2, first=2.0), "b": share(0.3), "c": 5.0}))
    weights.follow({"a": 4.0, "b": 1.0, "c": 10.0}, step=0)
    # The rest keeps its 10 of 20; so a is to have 4 and b 6.
    assert weights.at(1) == {"a": pytest.approx(2.0), "b": pytest.approx(6.0), "c": 5.0}
    weights.follow({"a": 4.0, "b": 3.0, "c": 10.0}, step=2)
    assert weights.at(3)["b"] == pytest.approx(6.0**0.7 * 12.0**0.3)


def test_a_run_that_was_stopped_goes_on_with_the_weights_that_it_had(tmp_path: Path):
    chosen = config({"image": share(0.3)}, steps=12, milestones=(7,))
    whole = trained(tmp_path / "whole", chosen)
    trained(tmp_path / "parts", chosen, stop_at=7)
    parts = trained(tmp_path / "parts", chosen)
    assert [line["weights"] for line in parts] == [line["weights"] for line in whole]
    last = "checkpoints/step-000012/model.safetensors"
    assert (tmp_path / "parts" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()


def test_what_cannot_be_followed_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"ask for 1.1 of the gradient in all; shares must add up to less than 1"):
        config({"a": share(0.5), "b": share(0.6)})
    with pytest.raises(ConfigError, match=r"expected a number, or a mapping of the kind ramp or share"):
        config({"a": {"share": 0.5}})
    with pytest.raises(ConfigError, match=r"`image` follows its share .* no other term has a gradient"):
        trained(tmp_path / "run", config({"image": share(0.3), "text": 0.0}))
    weights = Weights(config({"image": share(0.3)}))
    with pytest.raises(ConfigError, match=r"`image` has no gradient .*is the gate closed"):
        weights.follow({"image": 0.0, "text": 1.0}, step=0)
