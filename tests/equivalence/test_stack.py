"""Seeds that are trained as one are what they are alone: losses, weights, files, and after a kill."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.model import checkpoint
from bothways.model.stack import Stack
from bothways.model.unified import UnifiedModel
from bothways.recipes.assemble import train, train_together
from bothways.recipes.recipe import Recipe
from bothways.train.interrupt import Interrupted
from bothways.train.log import read_log
from unified_training import recipe

STEPS = 20
SEEDS = (0, 1)
CLOCK = ("seconds", "samples_per_s")


def seeded(**changes: object) -> list[Recipe]:
    """One tiny recipe with each seed."""
    whole = recipe(**({"train__steps": STEPS, "train__checkpoint_every_s": 1000.0} | changes))
    return [whole.with_changes(dict.fromkeys(("model.seed", "data.seed", "train.seed"), seed)) for seed in SEEDS]


def alone_and_together(tmp_path: Path, recipes: list[Recipe]) -> tuple[list[RunDir], list[RunDir]]:
    alone = [RunDir(tmp_path / f"alone-{seed}") for seed in SEEDS]
    together = [RunDir(tmp_path / f"together-{seed}") for seed in SEEDS]
    for one, run in zip(recipes, alone, strict=True):
        train(one, run.path)
    train_together(recipes, [run.path for run in together])
    return alone, together


def assert_same_results(one: RunDir, other: RunDir, rtol: float = 1e-3) -> None:
    """Files, config, log and final checkpoint, numbers up to fp32 and the clock."""
    files = [sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*")) for run in (one, other)]
    assert files[0] == files[1] and one.is_done and other.is_done and one.config() == other.config()
    logs = [read_log(run.log_path) for run in (one, other)]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]] == list(range(1, STEPS + 1))
    for mine, theirs in zip(*logs, strict=True):
        assert mine.keys() == theirs.keys() and mine["samples"] == theirs["samples"] and mine["lr"] == theirs["lr"]
        for key in mine.keys() - {*CLOCK, "clipped"}:
            assert theirs[key] == pytest.approx(mine[key], rel=rtol, abs=1e-6), (mine["step"], key)
    found = [checkpoint.find(run) for run in (one, other)]
    mine, theirs = (state.weights(averaged=False) | state._tensors(checkpoint.OPTIMIZER) | state.average() for state in found)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        assert (theirs[name] - tensor).norm() <= 10 * rtol * tensor.norm() + 1e-6, name


PARTS = {
    "as it is": {},
    "pico's backbone, on its own fast path": {
        "train__muon": {},
        "model__backbone": {"kind": "transformers", "size": "pico", "attention": "auto"},
    },
    "everything that a trainer keeps": {
        "train__muon": {},
        "train__average": {"decay": 0.9},
        "train__clip": 0.5,
        "train__clip_apart": ("head",),
        "train__micro_batches": 2,
        "train__shares_every_steps": 5,
        "train__weights": {"watch/draw:image": {"kind": "share", "share": 0.3, "every_steps": 4}},
        "model__gate": {"kind": "ramp", "first": 0.25, "last": 1.0, "steps": 10},
    },
    "random order, dropped conditions": {"model__order": "random", "data__drop_condition": 0.5},
    "masked": {"model__head": {"kind": "masked"}},
    "given patches": {"model__given": tiny.PATCHES, "model__projector": {"shared": False}},
}


@pytest.mark.parametrize("changes", PARTS.values(), ids=PARTS)
def test_seeds_trained_as_one_come_out_as_if_each_had_trained_alone(changes: dict, tmp_path: Path) -> None:
    for alone, together in zip(*alone_and_together(tmp_path, seeded(**changes)), strict=True):
        assert_same_results(alone, together)


def test_seeds_differ_from_each_other(tmp_path: Path) -> None:
    runs = [tmp_path / str(seed) for seed in SEEDS]
    train_together(seeded(train__steps=2), runs)
    losses = [read_log(RunDir(run).log_path)[-1]["loss"] for run in runs]
    weights = [checkpoint.find(RunDir(run)).weights() for run in runs]
    assert len(set(losses)) == len(SEEDS)
    assert not torch.allclose(weights[0]["backbone.lm.lm_head.weight"], weights[1]["backbone.lm.lm_head.weight"], atol=0.1)


class Killed(Exception):
    """Stands for the end of a process."""


def test_a_kill_between_the_saves_of_two_seeds_loses_what_they_do_not_share(tmp_path: Path) -> None:
    recipes = seeded(train__muon={}, train__average={"decay": 0.9}, train__milestones=[4, 8])
    whole, cut = ([tmp_path / name / str(seed) for seed in SEEDS] for name in ("whole", "cut"))
    train_together(recipes, whole)

    def pass_by(model: UnifiedModel, step: int) -> None:
        pass

    def kill(model: UnifiedModel, step: int) -> None:
        if step == 8:
            raise Killed

    with pytest.raises(Killed):
        train_together(recipes, cut, on_milestones=[pass_by, kill])
    last = cut[1] / "checkpoints" / checkpoint.name_of(8)
    (last / checkpoint.MODEL).write_bytes(b"half")  # this seed's newest is no good, so nobody's is
    done = train_together(recipes, cut)
    assert [fitted.resumed_at for _, fitted in done] == [4, 4]
    for run, other in zip(whole, cut, strict=True):
        states = [checkpoint.find(RunDir(path)) for path in (run, other)]
        weights = [state.weights(averaged=False) | state._tensors(checkpoint.OPTIMIZER) for state in states]
        assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
        lines = [
            [{k: v for k, v in one.items() if k not in CLOCK} for one in read_log(path / "log.jsonl")] for path in (run, other)
        ]
        assert lines[0] == lines[1]


def test_a_signal_has_every_seed_save_before_they_stop(tmp_path: Path) -> None:
    recipes, runs = seeded(train__steps=4, train__milestones=[2]), [tmp_path / str(seed) for seed in SEEDS]

    def asked_to_stop(model: UnifiedModel, step: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="after step 2"):
        train_together(recipes, runs, on_milestones=[asked_to_stop, asked_to_stop])
    assert all((run / "checkpoints" / checkpoint.name_of(2)).exists() for run in runs)
    assert [fitted.resumed_at for _, fitted in train_together(recipes, runs)] == [2, 2]


FAMILIES = {family: {"backbone": tiny.BACKBONE | {"family": family, "attention": "eager"}} for family in tiny.FAMILIES}
LAYOUTS = {"marks": {"learn_marks": True}, "aligned": {"aligned_source": True}, "causal": {"causal_given": True}}


@pytest.mark.parametrize("changes", (FAMILIES | LAYOUTS).values(), ids=FAMILIES | LAYOUTS)
def test_terms_and_gradients_of_a_stack_are_those_of_its_models(changes: dict) -> None:
    models = [tiny.model(seed=seed, **changes).train() for seed in SEEDS]
    mixture = dict.fromkeys(("reading", "drawing", "several turns", "editing", "interleaved", "text alone"), 1)
    batches = [tiny.stream(model, mixture, seed=seed).batches(1)[0] for seed, model in zip(SEEDS, models, strict=True)]
    alone = [model.terms(batch) for model, batch in zip(models, batches, strict=True)]
    sum(tally.total for terms in alone for tally in terms.values()).backward()
    expected = [{name: _gradient(weight).clone() for name, weight in model.named_parameters()} for model in models]
    stack = Stack(models)
    together = stack.terms(batches)
    sum(tally.total for terms in together for tally in terms.values()).backward()
    stack.hand_out()
    for model, mine, theirs, gradients in zip(models, alone, together, expected, strict=True):
        assert {name: tally.count for name, tally in mine.items()} == {name: tally.count for name, tally in theirs.items()}
        for name, tally in mine.items():
            torch.testing.assert_close(theirs[name].total, tally.total, rtol=1e-5, atol=0)
        for name, weight in model.named_parameters():
            assert (_gradient(weight) - gradients[name]).norm() <= 1e-5 * gradients[name].norm(), name


def _gradient(weight: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"learned": tiny.PATCHES, "head": {"kind": "diffusion"}, **tiny.SEPARATE}, "the head `diffusion`"),
        ({"learned": tiny.PATCHES, "head": {"kind": "regression"}, **tiny.SEPARATE}, "the head `regression`"),
        ({"backbone": tiny.BACKBONE | {"lora": {"rank": 2}}}, "LoRA"),
    ],
    ids=["diffusion", "regression", "lora"],
)
def test_what_cannot_be_stacked_is_named(changes: dict, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        Stack([tiny.model(seed=seed, **changes) for seed in SEEDS])


def test_models_that_differ_in_more_than_a_seed_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"more than model\.seed"):
        Stack([tiny.model(order=order) for order in ("raster", "random")])
