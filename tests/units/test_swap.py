"""A part swapped between two runs: exactly that part, a run like any other, and refusals that name the tensor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from bothways.core.errors import ConfigError, RunError
from bothways.core.rundir import RunDir
from bothways.model.store import load
from bothways.recipes import assemble
from bothways.train.swap import swap
from unified_training import recipe


def trained(folder: Path, seed: int, **changes) -> RunDir:
    small = {"train__steps": 2, "train__milestones": 0, "data__sources__watch/vqa__samples_per_step": 2}
    assemble.train(recipe(model__seed=seed, data__seed=seed, train__seed=seed, **small, **changes), folder)
    return RunDir.open(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunDir]:
    root = tmp_path_factory.mktemp("runs")
    return {
        "a": trained(root / "a", 0),
        "b": trained(root / "b", 1),
        "wide": trained(root / "wide", 1, model__backbone__width=48, model__backbone__num_heads=2),
        "apart": trained(root / "apart", 1, model__projector__shared=False),
    }


@pytest.mark.parametrize(
    ("part", "prefixes"),
    [("backbone", ("backbone.",)), ("projector", ("given_projector.", "learned_projector.")), ("head", ("head.",))],
)
def test_the_part_comes_from_the_second_run_and_everything_else_from_the_first(runs, part, prefixes, tmp_path: Path):
    run, cautions = swap(runs["a"], runs["b"], part, tmp_path / "c")
    ours, theirs, made = (load(one)[0].state_dict() for one in (runs["a"], runs["b"], run))
    for name, weight in made.items():
        assert torch.equal(weight, (theirs if name.startswith(prefixes) else ours)[name]), name
    assert any(not torch.equal(ours[name], theirs[name]) for name in made if name.startswith(prefixes))
    assert not cautions


def test_provenance_names_both_parents_and_the_run_is_done(runs, tmp_path: Path):
    run, _ = swap(runs["a"], runs["b"], "backbone", tmp_path / "c")
    parents = json.loads(run.provenance_path.read_text())[-1]["parents"]
    assert [(one["run"], one["gave"], one["step"]) for one in parents] == [("a", "all but backbone", 2), ("b", "backbone", 2)]
    assert parents[0]["weights"] != parents[1]["weights"] and run.is_done
    assert run.config() == runs["a"].config()


def test_a_swapped_run_can_be_swapped_back_to_the_first(runs, tmp_path: Path):
    once, _ = swap(runs["a"], runs["b"], "backbone", tmp_path / "c")
    again, _ = swap(once, runs["a"], "backbone", tmp_path / "d")
    ours, back = load(runs["a"])[0].state_dict(), load(again)[0].state_dict()
    assert all(torch.equal(ours[name], back[name]) for name in ours)


def test_other_shapes_are_refused_with_tensor_and_shapes_and_nothing_is_written(runs, tmp_path: Path):
    with pytest.raises(RunError, match=r"`backbone\.\S+` is \d+ x 32 in \S+a and \d+ x 48 in \S+wide"):
        swap(runs["a"], runs["wide"], "backbone", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_shared_projector_is_not_torn_in_two(runs, tmp_path: Path):
    with pytest.raises(RunError, match="one tensor"):
        swap(runs["a"], runs["apart"], "projector", tmp_path / "c")
    with pytest.raises(RunError, match="one tensor"):
        swap(runs["a"], runs["b"], "given_projector", tmp_path / "c")
    run, _ = swap(runs["apart"], runs["b"], "given_projector", tmp_path / "d")
    assert load(run)[0].config.projector.shared is False


def test_a_part_that_there_is_not_is_refused_with_the_nearest_names(runs, tmp_path: Path):
    with pytest.raises(ConfigError, match="Did you mean `backbone`"):
        swap(runs["a"], runs["b"], "bakbone", tmp_path / "c")
