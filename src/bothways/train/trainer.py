"""One trainer for every module that offers `terms(batch) -> dict[str, Tally]`: unified models and visual tokenizers alike.

`Trainer.run` is the algorithm; everything else here is how a run begins, is saved, is watched and ends. On the CPU, on one
machine and thread count, a run that was killed and resumed ends with the same bits as one that was not: data and draws
are functions of the step, and nothing else is remembered than what a checkpoint holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from bothways.core.disk import read_json, remove_leftovers, write_json
from bothways.core.errors import ConfigError, TrainingError
from bothways.core.randomness import seed_of
from bothways.core.rundir import RunDir
from bothways.core.tally import Tally
from bothways.train import checkpoint
from bothways.train.checkpoint import Progress
from bothways.train.config import TrainConfig
from bothways.train.interrupt import Interrupt, Interrupted
from bothways.train.log import TrainLog
from bothways.train.optim import build_optimizer, clip_gradients, learning_rate
from bothways.train.shares import GradientShares
from bothways.train.step import (
    StepBatch,
    StepStream,
    StepTotals,
    backward,
    check_finite,
    check_weights,
    step_counts,
    step_loss,
)


@dataclass(frozen=True)
class Fitted:
    """What a training run did in all, resumes included. `seconds` leave out milestones; `data_seconds` are a part of them."""

    steps: int
    samples: int
    seconds: float
    data_seconds: float
    checkpoint: Path
    resumed_at: int | None
    notices: tuple[str, ...]


class Trainer:
    """Trains `module` on `stream` in the folder `run`, going on from the newest checkpoint there if it holds one.

    The module offers `terms(batch)`; each Tally's total is a scalar tensor, a sum. It may offer `before_step(step)` and
    `after_step(step)` (codebook averages, restarts of dead codes): any draw in them is a function of (seed, step), or uses
    torch's global generator, which is seeded by (config.seed, step) at the beginning of every step. Buffers are saved
    with the weights. `on_milestone(step)` is called after the checkpoint of each of `config.milestone_steps` is on disk;
    it may put the module in eval mode. It is called again on resume if it did not return before.
    """

    def __init__(
        self,
        module: nn.Module,
        stream: StepStream,
        config: TrainConfig,
        run: RunDir,
        *,
        on_milestone: Callable[[int], None] | None = None,
        console: Console | None = None,
        title: str = "training",
    ):
        self.module, self.stream, self.config, self.folder = module, stream, config, run
        self.optimizer = build_optimizer(module, config)
        self.progress = Progress()
        self._on_milestone, self._console, self._title = on_milestone, console, title
        self._device = next(module.parameters()).device
        self._before_step = getattr(module, "before_step", _nothing)
        self._after_step = getattr(module, "after_step", _nothing)
        self._interrupt = Interrupt()
        self._saved_step, self._saved_at = -1, 0.0
        self._notices: list[str] = []
        if config.shares_every_steps:
            GradientShares(module, config.shares_of)  # refuses a prefix without parameters before any work is done

    def fit(self) -> Fitted:
        """Trains to the last step.

        Raises: TrainingError when a loss, gradient or weight is not finite; RunError when the disk refuses or no
        checkpoint is valid; Interrupted after SIGINT or SIGTERM. What was saved before stays in every case.
        """
        with self.folder.lock(), _threads(self.config.threads), self._interrupt.listening():
            resumed_at = self._restore()
            with TrainLog(self.folder.log_path, self.config, self._console, self._title, self.progress.step) as self._log:
                self._begin()
                self.run()
        done = self.progress
        last = self.folder.checkpoints / checkpoint.name_of(self._saved_step)
        return Fitted(done.step, done.samples, done.seconds, done.data_seconds, last, resumed_at, tuple(self._notices))

    def run(self) -> None:
        """The algorithm."""
        while self.progress.step < self.config.steps:
            step, started = self.progress.step, time.monotonic()
            batches = self._batches(step)
            counts = step_counts(batches)
            waited = time.monotonic() - started

            torch.manual_seed(seed_of(self.config.seed, "step", step))
            self._before_step(step)
            totals, shares = StepTotals(), self._shares(step)
            for batch in batches:
                terms = self._forward(batch)
                parts = step_loss(terms, counts, self.config.weights)
                if shares:
                    shares.add(parts)
                backward(parts)
                totals.add(terms)
            grad_norm = float(clip_gradients(self.module.parameters(), self.config.clip))
            self._check(totals, counts, grad_norm, step)
            self._update(step)
            self._after_step(step)

            self._advance(batches, time.monotonic() - started, waited)
            self._record(totals, grad_norm, shares, batches, time.monotonic() - started)
            self._keep()

    def _batches(self, step: int) -> list[StepBatch]:
        batches = self.stream.batches(step)
        if len(batches) != self.config.micro_batches:
            raise ConfigError(
                f"The stream cut step {step} into {len(batches)} micro-batches and the config says "
                f"{self.config.micro_batches}; build the stream with train.micro_batches."
            )
        return batches if self._device.type == "cpu" else [batch.to(self._device) for batch in batches]

    def _shares(self, step: int) -> GradientShares | None:
        every = self.config.shares_every_steps
        return GradientShares(self.module, self.config.shares_of) if every and step % every == 0 else None

    def _forward(self, batch: StepBatch) -> Mapping[str, Tally]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.config.dtype == "bfloat16"):
            return self.module.terms(batch)

    def _check(self, totals: StepTotals, counts: Mapping[str, int], grad_norm: float, step: int) -> None:
        totals.check_counts(counts, step)
        check_finite(totals.means(), grad_norm, self.module, step, self._last_good())
        if all(p.grad is None for p in self.module.parameters()):
            raise TrainingError(f"Step {step} gives no gradient to any parameter (its batches hold {dict(counts)}).")

    def _update(self, step: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.config)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _advance(self, batches: list[StepBatch], seconds: float, waited: float) -> None:
        done = self.progress
        self.progress = Progress(
            step=done.step + 1,
            samples=done.samples + sum(batch.num_samples for batch in batches),
            seconds=done.seconds + seconds,
            data_seconds=done.data_seconds + waited,
        )

    def _record(
        self,
        totals: StepTotals,
        grad_norm: float,
        shares: GradientShares | None,
        batches: list[StepBatch],
        seconds: float,
    ) -> None:
        means = totals.means()
        record: dict[str, Any] = {
            "step": self.progress.step,
            "samples": self.progress.samples,
            "seconds": round(self.progress.seconds, 3),
            "lr": learning_rate(self.progress.step - 1, self.config),
            "loss": sum(self.config.weights.get(name, 1.0) * mean for name, mean in means.items()),
            "terms": means,
            "grad_norm": grad_norm,
        }
        if shares:
            record["shares"] = shares.result()
        clipped = bool(self.config.clip) and grad_norm > self.config.clip
        self._log.write(record, clipped, sum(batch.num_samples for batch in batches), seconds)

    def _keep(self) -> None:
        """Saves when it is time, at milestones, at the end and when asked to stop."""
        step, stop = self.progress.step, self._interrupt.requested
        milestone = step in self.config.milestone_steps
        late = time.monotonic() - self._saved_at >= self.config.checkpoint_every_s
        if late or milestone or stop or step == self.config.steps:
            self._save()
        if stop:
            raise Interrupted(self._farewell(stop), stop)
        if milestone:
            self._milestone(step)

    def _save(self) -> None:
        step = self.progress.step
        if step != self._saved_step:
            check_weights(self.module, step, self._last_good())
            self._log.sync()
            checkpoint.save_checkpoint(self.folder.checkpoints, self.progress, self.module, self.optimizer)
            self._saved_step = step
            checkpoint.prune(self.folder.checkpoints, self.config.milestone_steps)
        self._saved_at = time.monotonic()

    def _milestone(self, step: int) -> None:
        """Calls `on_milestone` once for every milestone, however often the run is killed in it."""
        if self._on_milestone is None:
            return
        path = self.folder.checkpoints / "milestones.json"
        done = read_json(path) if path.exists() else []
        if step in done:
            return
        try:
            with self._interrupt.at_once():
                self._on_milestone(step)
        except KeyboardInterrupt:
            if self._interrupt.requested is None:
                raise
            raise Interrupted(self._farewell(self._interrupt.requested), self._interrupt.requested) from None
        write_json(path, [*done, step])
        self.module.train()
        self._saved_at = time.monotonic()

    def _restore(self) -> int | None:
        """Loads the newest valid checkpoint; returns its step, or None in a fresh folder."""
        remove_leftovers(self.folder.checkpoints)
        found = checkpoint.newest(self.folder.checkpoints, self._say)
        if found is None:
            return None
        found.load_into(self.module)
        found.load_optimizer(self.module, self.optimizer)
        checkpoint.set_aside_newer(self.folder.checkpoints, found.progress.step)
        self.progress, self._saved_step = found.progress, found.progress.step
        self._say(f"Going on from {found.path} (step {self.progress.step} of {self.config.steps}).")
        return self.progress.step

    def _begin(self) -> None:
        """The first save comes before the first step: a disk that refuses is better found now than in a minute."""
        self.module.train()
        self._save()
        if self.progress.step in self.config.milestone_steps:
            self._milestone(self.progress.step)

    def _last_good(self) -> str:
        return str(self.folder.checkpoints / checkpoint.name_of(self._saved_step)) if self._saved_step >= 0 else "none"

    def _farewell(self, number: int) -> str:
        name = {2: "Ctrl-C", 15: "SIGTERM"}.get(number, f"signal {number}")
        return f"Stopped by {name} after step {self.progress.step}; saved {self._last_good()}; go on with --resume."

    def _say(self, sentence: str) -> None:
        self._notices.append(sentence)
        if self._console:
            self._console.print(sentence, highlight=False, markup=False)


def _nothing(step: int) -> None:
    pass


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
