"""The trainer's refusals, its record, milestones, gradient shares."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from bothways.core.errors import ConfigError, RunError, TrainingError
from bothways.core.rundir import RunDir
from bothways.core.tally import Tally
from bothways.model import checkpoint
from bothways.train.config import TrainConfig
from bothways.train.interrupt import Interrupted
from bothways.train.log import read_log
from bothways.train.shares import GradientShares
from bothways.train.step import backward, step_counts, step_loss
from bothways.train.trainer import Trainer
from toy_training import Toy, ToyBatch, ToyStream, build


def trainer(path: Path, module: nn.Module | None = None, stream: ToyStream | None = None, **changes: object) -> Trainer:
    callbacks = {key: changes.pop(key) for key in ("on_milestone", "console") if key in changes}
    config = TrainConfig(**({"steps": 6, "threads": 1} | changes))
    run = RunDir.create(path, config.to_dict(), resume=(path / "config.yaml").exists())
    return Trainer(module or build(), stream or ToyStream(config.micro_batches), config, run, **callbacks)


def steps_on_disk(path: Path) -> list[int]:
    return [checkpoint.step_of(found) for found in checkpoint.checkpoints_in(path / "checkpoints")]


def test_a_loss_that_is_nan_names_step_term_and_last_good_checkpoint_and_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        trainer(tmp_path, stream=ToyStream(poison_at=3), checkpoint_every_s=0).fit()
    text = str(caught.value)
    assert "step 3" in text and "`text` is nan" in text and "step-000003" in text and "\n" not in text
    assert caught.value.exit_code == 5
    assert steps_on_disk(tmp_path) == [2, 3]
    weights = checkpoint.newest(tmp_path / "checkpoints").weights()
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3]


def test_a_gradient_that_is_not_finite_under_a_finite_loss_names_the_parameter(tmp_path: Path) -> None:
    class Steep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.root = nn.Parameter(torch.zeros(2))

        def terms(self, batch: ToyBatch) -> dict[str, Tally]:
            return {"text": Tally(self.root.sqrt().sum(), batch.counts["text"]), "image": Tally(0.0, batch.counts["image"])}

    with pytest.raises(TrainingError, match=r"gradient at step 0 is not finite .first in `root`"):
        trainer(tmp_path, Steep()).fit()


def test_weights_that_became_infinite_are_never_saved(tmp_path: Path) -> None:
    class Poisoned(Toy):
        def after_step(self, step: int) -> None:
            if step == 2:
                self.average.fill_(torch.nan)

        def terms(self, batch: ToyBatch) -> dict[str, Tally]:
            kept = self.average.clone()
            terms = super().terms(batch)
            self.average.copy_(kept)
            return terms

    with pytest.raises(TrainingError, match=r"After step 3 the weights of `average`.*last good checkpoint is .*step-000002"):
        trainer(tmp_path, Poisoned(), checkpoint_every_s=0).fit()
    assert steps_on_disk(tmp_path) == [1, 2]


def test_counts_that_do_not_agree_with_the_batches_are_refused(tmp_path: Path) -> None:
    class Miscounting(Toy):
        def terms(self, batch: ToyBatch) -> dict[str, Tally]:
            terms = super().terms(batch)
            return {"text": terms["text"], "image": Tally(terms["image"].total, 1)}

    with pytest.raises(TrainingError, match=r"announced the counts .*'image': 96.* counted .*'image': 1"):
        trainer(tmp_path, Miscounting()).fit()


def test_a_step_that_teaches_nothing_is_refused(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Empty(ToyStream):
        def batches(self, step: int) -> list[ToyBatch]:
            return [ToyBatch(torch.zeros(0, 6), torch.zeros(0, dtype=torch.int64))]

    class Silent(Toy):
        def terms(self, batch: ToyBatch) -> dict[str, Tally]:
            return {}

    with pytest.raises(TrainingError, match="Step 0 gives no gradient"):
        trainer(tmp_path, Silent(), Empty()).fit()


def test_a_stream_cut_otherwise_than_the_config_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="into 2 micro-batches and the config says 4"):
        trainer(tmp_path, stream=ToyStream(2), micro_batches=4).fit()


def test_a_weight_for_a_term_that_never_occurs_is_noticed(tmp_path: Path) -> None:
    fitted = trainer(tmp_path, weights={"imgae": 2.0}).fit()
    assert fitted.notices == ("The config weighs `imgae`, and no such term occurred in this run (found: image, text).",)


def test_parameters_that_never_get_a_gradient_stay_as_they_are(tmp_path: Path) -> None:
    module = build()
    trainer(tmp_path, module, lr=0.1, weight_decay=0.5).fit()
    assert torch.equal(module.never, torch.ones(3, 3))
    assert module.sometimes.abs().sum() > 0


def test_the_log_holds_the_numbers_of_every_step_and_the_result_adds_them_up(tmp_path: Path) -> None:
    fitted = trainer(tmp_path, weights={"image": 0.5}, clip=1e-3).fit()
    lines = read_log(tmp_path / "log.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    for line in lines:
        assert line["loss"] == pytest.approx(line["terms"]["text"] + 0.5 * line["terms"]["image"])
        assert line["clipped"] == 1.0 and line["grad_norm"] > 1e-3 and line["samples_per_s"] > 0
    assert fitted.samples == lines[-1]["samples"] == 96 and fitted.steps == 6
    assert fitted.checkpoint == tmp_path / "checkpoints" / "step-000006" and fitted.seconds >= fitted.data_seconds >= 0


def test_the_log_can_be_thinned_and_keeps_the_last_step(tmp_path: Path) -> None:
    trainer(tmp_path, log_every_steps=4).fit()
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [4, 6]


def test_the_progress_bar_shows_loss_speed_and_eta_only_where_a_console_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = StringIO()
    trainer(tmp_path / "seen", console=Console(file=screen, force_terminal=True, width=120)).fit()
    assert "loss" in screen.getvalue() and "samples/s" in screen.getvalue() and "ETA" in screen.getvalue()
    assert "6/6" in screen.getvalue()
    trainer(tmp_path / "silent").fit()
    assert capsys.readouterr() == ("", "")


def test_tensorboard_that_is_not_installed_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install") as caught:
        trainer(tmp_path, tensorboard=True).fit()
    assert "\n" not in str(caught.value)


def test_milestones_are_called_once_each_with_their_checkpoint_on_disk(tmp_path: Path) -> None:
    seen: list[int] = []

    def look(step: int) -> None:
        assert steps_on_disk(tmp_path)[-1] == step
        subject.module.eval()
        seen.append(step)

    subject = trainer(tmp_path, milestones=(0, 2, 6), on_milestone=look)
    subject.fit()
    trainer(tmp_path, milestones=(0, 2, 6), on_milestone=look).fit()
    assert seen == [0, 2, 6] and subject.module.training


def test_a_milestone_that_failed_is_done_again_on_resume(tmp_path: Path) -> None:
    seen: list[int] = []

    def fail(step: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trainer(tmp_path, milestones=(3,), on_milestone=fail).fit()
    trainer(tmp_path, milestones=(3,), on_milestone=seen.append).fit()
    assert seen == [3]


def test_evaluation_does_not_change_training(tmp_path: Path) -> None:
    def evaluate(step: int) -> None:
        torch.manual_seed(step)
        torch.randn(100)

    weights = []
    for name, callback in (("with", evaluate), ("without", None)):
        subject = trainer(tmp_path / name, milestones=3, on_milestone=callback)
        subject.fit()
        weights.append([p.detach() for p in subject.module.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_milestone_stops_at_once(tmp_path: Path, number: int) -> None:
    after: list[int] = []

    def long_evaluation(step: int) -> None:
        os.kill(os.getpid(), number)
        after.append(step)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=r"after step 3; saved .*step-000003; go on with --resume\.") as caught:
        trainer(tmp_path, milestones=(3,), on_milestone=long_evaluation).fit()
    assert caught.value.exit_code == 128 + number and not after
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_without_waiting_for_the_step(tmp_path: Path) -> None:
    class Impatient(Toy):
        def before_step(self, step: int) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            if step == 0:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, Impatient()).fit()
    assert steps_on_disk(tmp_path) == [0]


def when_file_ends_with(suffix: str) -> Callable[[int], bool]:
    return lambda handle: os.readlink(f"/proc/self/fd/{handle}").endswith(suffix)


@pytest.mark.parametrize("suffix", ["model.safetensors", "log.jsonl"])
def test_a_disk_that_fills_during_training_stops_with_a_sentence_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    real, hit, times = os.fsync, when_file_ends_with(suffix), []

    def full(handle: int) -> None:
        times.extend([1] * hit(handle))
        if len(times) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="The disk is full"):
        trainer(tmp_path, checkpoint_every_s=0).fit()
    monkeypatch.undo()
    assert steps_on_disk(tmp_path) == [0, 1]
    assert trainer(tmp_path, checkpoint_every_s=0).fit().resumed_at == 1


def test_the_log_on_a_full_device_is_one_sentence(tmp_path: Path) -> None:
    class Filling(Toy):
        def before_step(self, step: int) -> None:
            if step == 2:
                subject._log._file.close()
                subject._log._file = full

    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb", buffering=0)  # the log closes it
    subject = trainer(tmp_path, Filling())
    with pytest.raises(RunError, match=r"The disk is full: .*log\.jsonl") as caught:
        subject.fit()
    assert "\n" not in str(caught.value)


def test_the_number_of_threads_is_set_for_the_run_alone(tmp_path: Path) -> None:
    before, inside = torch.get_num_threads(), []
    trainer(tmp_path, threads=before + 1, milestones=1, on_milestone=lambda _: inside.append(torch.get_num_threads())).fit()
    assert inside == [before + 1] and torch.get_num_threads() == before


def test_gradient_shares_sum_to_one_follow_the_weights_and_leave_the_update_alone(tmp_path: Path) -> None:
    results = {}
    for name, changes in {
        "off": {},
        "on": {"shares_every_steps": 2, "micro_batches": 1},
        "heavy": {"shares_every_steps": 2, "weights": {"image": 100.0}},
    }.items():
        subject = trainer(tmp_path / name, **changes)
        subject.fit()
        shares = [line["shares"] for line in read_log(tmp_path / name / "log.jsonl") if "shares" in line]
        results[name] = ([p.detach() for p in subject.module.parameters()], shares)
    assert all(torch.equal(a, b) for a, b in zip(results["off"][0], results["on"][0], strict=True))
    assert len(results["on"][1]) == 3 and not results["off"][1]
    assert all(sum(shares.values()) == pytest.approx(1.0, abs=1e-5) for shares in results["on"][1])
    assert results["heavy"][1][0]["image"] > 0.9 > results["on"][1][0]["image"]


def test_gradient_shares_are_the_norms_of_the_separate_gradients_whatever_the_micro_batches() -> None:
    module = build(dropout=0.0)
    expected = {}
    for name in ("text", "image"):
        module.zero_grad()
        (batch,) = ToyStream(1).batches(0)
        (module.terms(batch)[name].total / batch.counts[name]).backward()
        expected[name] = torch.cat([p.grad.flatten() for p in module.backbone.parameters()]).norm()
    module.zero_grad()
    shares, batches = GradientShares(module, "backbone."), ToyStream(4).batches(0)
    counts = step_counts(batches)
    for batch in batches:
        shares.add(step_loss(module.terms(batch), counts, {}))
    for name, share in shares.result().items():
        assert share == pytest.approx(float(expected[name] / sum(expected.values())), abs=1e-5)
    assert all(p.grad is None for p in module.parameters())


def test_shares_of_parameters_that_do_not_exist_are_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No trainable parameter begins with `trunk\.`.*backbone\."):
        trainer(tmp_path, shares_every_steps=1, shares_of="trunk.")


def test_another_term_leaves_the_value_and_gradient_of_the_first_exactly_unchanged() -> None:
    gradients = []
    for names in (("text",), ("text", "image")):
        module = build(dropout=0.0)
        (batch,) = ToyStream(1).batches(0)
        terms = {name: tally for name, tally in module.terms(batch).items() if name in names}
        backward(step_loss(terms, batch.counts, {}))
        gradients.append(module.text.weight.grad)
    assert torch.equal(*gradients)
