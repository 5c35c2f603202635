"""`patches` x `regression` by catalogue alone: trained, stopped, resumed, loaded, examined and drawn, like any other corner."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import bothways
import tiny
import unified_training
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.evaluate.scores import read_scores
from bothways.model.store import load
from bothways.recipes import assemble
from bothways.recipes.examine import evaluate_run
from bothways.recipes.recipe import Recipe

STEPS = 6


def recipe(**changes) -> Recipe:
    corner = {
        "model__given": tiny.PATCHES,
        "model__learned": tiny.PATCHES,
        "model__head": {"kind": "regression"},
        "train__steps": STEPS,
        "train__milestones": (STEPS // 2,),
        "exam__num_pictures": 4,
        "exam__num_drawings": 4,
        "exam__num_open_drawings": 3,
        "exam__guidance": 1.5,
        "exam__max_text_tokens": 3,
    }
    return unified_training.recipe(**corner | changes)


class Stopped(Exception):
    pass


def stop(model: torch.nn.Module, step: int) -> None:
    raise Stopped


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("regression") / "run"
    assemble.train(recipe(), path)
    return path


def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one_and_its_running_mean_norm(run: Path, tmp_path: Path):
    with pytest.raises(Stopped):
        assemble.train(recipe(), tmp_path / "run", on_milestone=stop)
    assemble.train(recipe(), tmp_path / "run", resume=True)
    name = f"checkpoints/step-{STEPS:06d}/model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()
    saved = load_file(run / name)
    assert saved["head.norm_count"].item() == STEPS * 4 * 9, "every target of 4 drawings of 9 tokens a step, once"
    model, _ = load(RunDir.open(run))
    assert model.head.mean_norm.item() == pytest.approx((saved["head.norm_sum"] / saved["head.norm_count"]).item())
    before = model.head.norm_count.item()
    model.held_out([tiny.sample("drawing")])
    assert model.head.norm_count.item() == before, "diagnostics teach it nothing"


def test_pieces_of_a_step_add_up_to_the_same_running_mean_norm(run: Path, tmp_path: Path):
    model, _ = assemble.train(recipe(train__micro_batches=2), tmp_path / "run")
    whole, _ = load(RunDir.open(run))
    assert model.head.norm_count == whole.head.norm_count
    assert model.head.norm_sum.item() == pytest.approx(whole.head.norm_sum.item(), rel=1e-6)


def test_its_exam_holds_token_errors_and_open_requests_and_no_nats_of_pictures(run: Path):
    name = evaluate_run(run)
    scores = read_scores(run)[name]
    assert scores["tokens/image/one_minus_cosine"].n == 4 and 0 < scores["tokens/image/one_minus_cosine"].chance < 1
    assert scores["tokens/image/one_minus_cosine"].skill == pytest.approx(scores["tokens/image/skill"].value)
    assert not any(name.startswith("nll/image_tokens") for name in scores.scores) and "nll/answers/nats" in scores
    assert scores["drawing/hour/accuracy"].n == 4 and scores["drawing/weather/accuracy"].ceiling is not None
    assert 0 < scores["open_drawing/color/accuracy"].n <= 3


def test_it_draws_and_answers_and_refuses_a_temperature(run: Path):
    model = bothways.load(run)
    drawn = model.draw("draw a red watch.")
    assert drawn.size == (tiny.SIZE_PX, tiny.SIZE_PX) and model.draw("draw a red watch.").tobytes() == drawn.tobytes()
    assert isinstance(model.answer(drawn, "what is the weather?"), str)
    with pytest.raises(ConfigError, match="set the temperature to 0"):
        model.draw("draw a red watch.", temperature=0.7)


def test_a_cosine_head_on_discrete_tokens_is_refused_before_a_folder_is_made(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"`regression` needs continuous tokens and `vq` makes discrete ones; .* categorical"):
        assemble.train(recipe(model__learned=tiny.VQ, model__given=tiny.VQ), tmp_path / "run")
    assert not (tmp_path / "run").exists()
