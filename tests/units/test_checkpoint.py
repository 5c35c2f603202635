"""Checkpoints: round trips of every bit, damage is found and survived, the right ones are kept."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from bothways.core.disk import TEMPORARY
from bothways.core.errors import RunError
from bothways.core.rundir import RunDir
from bothways.model import checkpoint
from bothways.model.checkpoint import Progress, find, newest, open_checkpoint
from bothways.train.checkpoint import prune, save_checkpoint
from bothways.train.config import TrainConfig
from bothways.train.optim import build_optimizer
from toy_training import Toy, ToyStream, build


def stepped() -> tuple[Toy, torch.optim.Optimizer]:
    """A module with moved weights and buffers, and an optimizer with moments for all parameters but one."""
    module = build()
    optimizer = build_optimizer(module, TrainConfig())
    for step in range(2):
        module.before_step(step)
        for batch in ToyStream().batches(step):
            sum(tally.total for tally in module.terms(batch).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        module.after_step(step)
    return module, optimizer


def test_weights_buffers_ties_and_moments_come_back_bit_for_bit(tmp_path: Path) -> None:
    module, optimizer = stepped()
    path = save_checkpoint(tmp_path, Progress(2, 32, 0.5, 0.1), module, optimizer)
    fresh = build()
    fresh_optimizer = build_optimizer(fresh, TrainConfig())
    found = open_checkpoint(path)
    found.load_into(fresh)
    found.load_optimizer(fresh, fresh_optimizer)
    assert found.progress == Progress(2, 32, 0.5, 0.1)
    assert fresh.tied is fresh.text.weight
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), fresh.state_dict().values(), strict=True))
    for ours, theirs in zip(module.parameters(), fresh.parameters(), strict=True):
        old, new = optimizer.state.get(ours, {}), fresh_optimizer.state.get(theirs, {})
        assert old.keys() == new.keys() and all(torch.equal(old[key], new[key]) for key in old)
    assert module.never not in optimizer.state and fresh.never not in fresh_optimizer.state


def test_weights_can_be_read_without_the_module_and_hold_both_names_of_a_tie(tmp_path: Path) -> None:
    module, _ = stepped()
    weights = open_checkpoint(save_checkpoint(tmp_path, Progress(1), module)).weights()
    assert weights.keys() == module.state_dict().keys()
    assert torch.equal(weights["tied"], weights["text.weight"])


def test_views_transposes_and_bfloat16_survive(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            whole = torch.arange(12.0).reshape(3, 4)
            self.register_buffer("row", whole[1])
            self.register_buffer("transposed", whole.T)
            self.register_buffer("bfloat16_matrix", whole.bfloat16())
            self.register_buffer("count", torch.tensor(3))
            self.register_buffer("empty", torch.zeros(0))
            self.register_buffer("also_empty", torch.zeros(0, 2))

    weights = open_checkpoint(save_checkpoint(tmp_path, Progress(1), Odd())).weights()
    for name, buffer in Odd().state_dict().items():
        assert torch.equal(weights[name], buffer) and weights[name].dtype == buffer.dtype, name


def test_a_checkpoint_of_another_model_does_not_load_and_says_so(tmp_path: Path) -> None:
    module, optimizer = stepped()
    found = open_checkpoint(save_checkpoint(tmp_path, Progress(1), module, optimizer))
    with pytest.raises(RunError, match="does not fit the model"):
        found.load_into(nn.Linear(2, 2))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(bytes(data))


DAMAGE = {
    "weights cut short": lambda folder: cut(folder / checkpoint.MODEL),
    "one bit of the weights": lambda folder: flip(folder / checkpoint.MODEL),
    "moments missing": lambda folder: (folder / checkpoint.OPTIMIZER).unlink(),
    "state cut short": lambda folder: cut(folder / checkpoint.STATE),
    "state missing": lambda folder: (folder / checkpoint.STATE).unlink(),
    "state is no mapping": lambda folder: (folder / checkpoint.STATE).write_text("[]"),
    "folder empty": lambda folder: [path.unlink() for path in folder.iterdir()],
    "another format": lambda folder: (folder / checkpoint.STATE).write_text('{"format": 99}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_with_a_sentence(tmp_path: Path, damage) -> None:
    module, optimizer = stepped()
    for step in (1, 2):
        save_checkpoint(tmp_path, Progress(step), module, optimizer)
    damage(tmp_path / "step-000002")
    notices: list[str] = []
    assert newest(tmp_path, notices.append).progress.step == 1
    assert len(notices) == 1 and "step-000002" in notices[0] and notices[0].endswith("Going back to step-000001.")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_when_the_only_checkpoint_is_damaged_nothing_is_loaded_and_nothing_deleted(tmp_path: Path, damage) -> None:
    module, optimizer = stepped()
    save_checkpoint(tmp_path, Progress(2), module, optimizer)
    damage(tmp_path / "step-000002")
    with pytest.raises(RunError, match=r"No other checkpoint .* is valid") as caught:
        newest(tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "step-000002").exists()


def test_a_folder_without_checkpoints_and_what_a_killed_save_left_count_as_none(tmp_path: Path) -> None:
    assert newest(tmp_path / "absent") is None
    module, optimizer = stepped()
    save_checkpoint(tmp_path, Progress(2), module, optimizer)
    (tmp_path / "step-000002").rename(tmp_path / f"{TEMPORARY}abc")
    assert newest(tmp_path) is None


def test_a_run_without_the_checkpoint_that_is_asked_for_says_what_it_has(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, {})
    with pytest.raises(RunError, match="has no checkpoint; train it first"):
        find(run)
    module, _ = stepped()
    for step in (3, 9):
        save_checkpoint(run.checkpoints, Progress(step), module)
    assert find(run).progress.step == 9 and find(run, 3).progress.step == 3
    with pytest.raises(RunError, match=r"no checkpoint of step 4; it keeps these steps: 3, 9\."):
        find(run, 4)


def test_the_last_two_and_the_milestones_are_kept(tmp_path: Path) -> None:
    module, _ = stepped()
    for step in (0, 10, 20, 30, 1_000_000):
        save_checkpoint(tmp_path, Progress(step), module)
        prune(tmp_path, milestones=(10,))
    assert [checkpoint.step_of(path) for path in checkpoint.checkpoints_in(tmp_path)] == [10, 30, 1_000_000]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-000030", "step-1000000"]


def test_saving_over_a_damaged_checkpoint_of_the_same_step_replaces_it(tmp_path: Path) -> None:
    module, optimizer = stepped()
    flip(save_checkpoint(tmp_path, Progress(2), module, optimizer) / checkpoint.MODEL)
    save_checkpoint(tmp_path, Progress(2), module, optimizer)
    assert newest(tmp_path).progress.step == 2


@pytest.mark.parametrize("call", range(1, 6))
def test_a_disk_that_fills_at_any_write_leaves_the_older_checkpoint_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    module, optimizer = stepped()
    save_checkpoint(tmp_path, Progress(1), module, optimizer)
    real, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="The disk is full") as caught:
        save_checkpoint(tmp_path, Progress(2), module, optimizer)
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert newest(tmp_path).progress.step in (1, 2)  # 2 only where the last sync failed, after the rename
    assert not list(tmp_path.glob(f"{TEMPORARY}*")) and (tmp_path / "step-000001").exists()


def test_on_a_really_full_disk_the_older_checkpoint_stays_valid(tmp_path: Path) -> None:
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=512k tmpfs {tmp_path} 2>/dev/null") != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        module = nn.Linear(256, 256)
        save_checkpoint(tmp_path, Progress(1), module)
        with pytest.raises(RunError, match=r"The disk is full: .*step-000002 could not be written"):
            save_checkpoint(tmp_path, Progress(2), module)
        assert newest(tmp_path).progress.step == 1
        assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]
        shutil.rmtree(tmp_path / "step-000001")
    finally:
        os.system(f"umount {tmp_path}")
