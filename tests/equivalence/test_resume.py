"""A run that was stopped, in whatever way, and resumed ends with the bits of a run that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import toy_training
from bothways.core.disk import TEMPORARY
from bothways.core.rundir import RunDir
from bothways.model import checkpoint
from bothways.train.config import TrainConfig
from bothways.train.log import read_log
from bothways.train.trainer import Fitted, Trainer
from toy_training import ToyStream, build

STEPS = 24


class Crash(Exception):
    """Stands for anything that ends a process without asking."""


class CrashingStream(ToyStream):
    crash_at = -1

    def batches(self, step: int) -> list:
        if step == self.crash_at:
            raise Crash
        return super().batches(step)


def train(path: Path, crash_at: int = -1, **changes: object) -> Fitted:
    """The run of toy_training's command line, in this process."""
    values = {"steps": STEPS, "lr": 1e-2, "threads": 1, "micro_batches": 2, "checkpoint_every_s": 0.0, "milestones": 3}
    config = TrainConfig(**(values | changes))
    stream = CrashingStream(config.micro_batches)
    object.__setattr__(stream, "crash_at", crash_at)
    run = RunDir.create(path, config.to_dict(), resume=(path / "config.yaml").exists())
    return Trainer(build(), stream, config, run).fit()


def final(path: Path) -> dict[str, torch.Tensor]:
    """Weights, buffers and moments at the end, by file and name."""
    folder = path / "checkpoints" / checkpoint.name_of(STEPS)
    return {
        f"{file}:{name}": tensor
        for file in (checkpoint.MODEL, checkpoint.OPTIMIZER, checkpoint.AVERAGE)
        if (folder / file).exists()
        for name, tensor in load_file(folder / file).items()
    }


def assert_same_run(path: Path, other: Path) -> None:
    """Bit for bit: weights, buffers and moments; and a log with every step once, its numbers equal but for the clock."""
    ours, theirs = final(path), final(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    clock = ("seconds", "samples_per_s")
    logs = [[{k: v for k, v in line.items() if k not in clock} for line in read_log(p / "log.jsonl")] for p in (path, other)]
    assert [line["step"] for line in logs[0]] == list(range(1, STEPS + 1))
    assert logs[0] == logs[1]


def command(path: Path, sleep_s: float, every_s: float) -> list[str]:
    return [sys.executable, toy_training.__file__, str(path), str(STEPS), str(sleep_s), str(every_s), "2"]


def stopped_process(path: Path, number: int, every_s: float) -> subprocess.CompletedProcess:
    """A real process, sent the signal `number` when it has logged five steps."""
    with subprocess.Popen(command(path, 0.1, every_s), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300  # a busy machine needs a minute to import torch
        while len(read_log(path / "log.jsonl")) < 5 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess([], process.returncode, out, err)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "run"
    assert train(path, checkpoint_every_s=0.2).resumed_at is None
    return path


def test_a_process_killed_with_sigkill_and_resumed_equals_an_uninterrupted_one(tmp_path: Path, uninterrupted: Path) -> None:
    killed = stopped_process(tmp_path / "run", signal.SIGKILL, every_s=0.2)
    assert killed.returncode == -signal.SIGKILL
    assert 5 <= len(read_log(tmp_path / "run" / "log.jsonl")) < STEPS
    again = subprocess.run(command(tmp_path / "run", 0.0, 0.2), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert int(again.stdout.split()[-1]) > 0  # the step that it went on from
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_at_once_says_so_and_the_run_goes_on(
    tmp_path: Path, uninterrupted: Path, number: int, code: int
) -> None:
    stopped = stopped_process(tmp_path / "run", number, every_s=1000.0)
    assert stopped.returncode == code, stopped.stderr
    (line,) = stopped.stderr.splitlines()
    logged = read_log(tmp_path / "run" / "log.jsonl")[-1]["step"]
    assert line.startswith("Stopped by") and f"step-{logged:06d}; go on with --resume." in line
    assert train(tmp_path / "run", checkpoint_every_s=1000.0).resumed_at == logged
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.parametrize("step", [0, 1, 6, 7, STEPS - 1])
def test_a_crash_at_any_step_changes_nothing(tmp_path: Path, uninterrupted: Path, step: int) -> None:
    with pytest.raises(Crash):
        train(tmp_path / "run", crash_at=step)
    assert train(tmp_path / "run").resumed_at == step
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_kill_during_the_writing_of_a_checkpoint_changes_nothing(tmp_path: Path, uninterrupted: Path) -> None:
    with pytest.raises(Crash):
        train(tmp_path / "run", crash_at=20)
    checkpoints = tmp_path / "run" / "checkpoints"
    half = checkpoints / f"{TEMPORARY}half"
    half.mkdir()
    (half / checkpoint.MODEL).write_bytes(b"\x10\x00\x00")
    weights = checkpoints / "step-000020" / checkpoint.MODEL  # as after a power cut on a disk that reorders writes
    weights.write_bytes(weights.read_bytes()[:100])
    with (tmp_path / "run" / "log.jsonl").open("a") as log:
        log.write('{"step": 21, "los')
    fitted = train(tmp_path / "run")
    assert fitted.resumed_at == 19
    assert "step-000020" in fitted.notices[0] and "Going back to step-000019" in fitted.notices[0]
    assert not half.exists()
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_run_that_is_complete_is_resumed_without_a_step(tmp_path: Path, uninterrupted: Path) -> None:
    train(tmp_path / "run")
    before = final(tmp_path / "run")
    fitted = train(tmp_path / "run")
    assert fitted.resumed_at == fitted.steps == STEPS and fitted.samples == 16 * STEPS
    assert all(torch.equal(tensor, before[name]) for name, tensor in final(tmp_path / "run").items())


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "bfloat16"},
        {"muon": {"parts": ["backbone", "image"]}},
        {"average": {"decay": 0.9}},
        {"average": {"device": "cpu"}},
    ],
    ids=["bfloat16", "muon", "average", "average on the cpu"],
)
def test_resuming_with_idle_parameters_changes_nothing_whatever_trains_them(tmp_path: Path, changes: dict) -> None:
    for name, crash_at in (("whole", -1), ("cut", 7)):
        try:
            train(tmp_path / name, crash_at, **changes)
        except Crash:
            train(tmp_path / name, **changes)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("pieces", [2, 4, 16])
def test_accumulated_equals_whole(tmp_path: Path, pieces: int) -> None:
    weights = []
    for micro_batches in (1, pieces):
        config = TrainConfig(steps=5, lr=1e-2, threads=1, micro_batches=micro_batches, weights={"image": 0.5})
        run = RunDir.create(tmp_path / str(micro_batches), config.to_dict())
        module = build(dropout=0.0)
        Trainer(module, ToyStream(micro_batches), config, run).fit()
        weights.append(dict(module.named_parameters()))
    for name, whole in weights[0].items():
        torch.testing.assert_close(weights[1][name], whole, rtol=1e-5, atol=2e-6, msg=name)
