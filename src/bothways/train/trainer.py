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

from bothways.core.errors import ConfigError, TrainingError
from bothways.core.randomness import seed_of
from bothways.core.rundir import RunDir
from bothways.core.tally import Tally
from bothways.model.checkpoint import Progress
from bothways.train.average import Average
from bothways.train.config import TrainConfig
from bothways.train.keeper import Keeper
from bothways.train.log import TrainLog
from bothways.train.optim import build_optimizer, clip_parts, learning_rate
from bothways.train.shares import GradientShares
from bothways.train.step import (
    StepBatch,
    StepStream,
    StepTotals,
    backward,
    check_finite,
    step_counts,
    step_loss,
)
from bothways.train.weights import Weights


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

    The module offers `terms(batch)`; each Tally's total is a scalar tensor, a sum. It may offer `look()`, numbers for the
    log and a sentence for a person (None at most steps), and `before_step(step)` and `after_step(step)` (codebook averages,
    restarts of dead codes): any draw in them is a function of (seed, step), or uses torch's global generator, which is
    seeded by (config.seed, step) at the beginning of every step. Buffers are saved with the weights. `on_milestone(step)`
    is called after the checkpoint of each of `config.milestone_steps` is on disk; it may put the module in eval mode. It is
    called again on resume if it did not return before.
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
        self.average = Average(module, config.average) if config.average else None
        self.progress = Progress()
        self.weights = Weights(config)
        self._console, self._title = console, title
        self._device = next(module.parameters()).device
        self._before_step = getattr(module, "before_step", _nothing)
        self._after_step = getattr(module, "after_step", _nothing)
        self._look = getattr(module, "look", lambda: None)
        self._keeper = Keeper(run.checkpoints, config, module, self.optimizer, self.average, on_milestone, self._say)
        self._notices: list[str] = []
        self._seen_terms: set[str] = set()
        if config.shares_every_steps or self.weights.by_share:
            GradientShares(module, config.shares_of)  # refuses a prefix without parameters before any work is done

    def fit(self) -> Fitted:
        """Trains to the last step.

        Raises: TrainingError when a loss, gradient or weight is not finite; RunError when the disk refuses or no
        checkpoint is valid; Interrupted after SIGINT or SIGTERM. What was saved before stays in every case.
        """
        keeper, path = self._keeper, self.folder.log_path
        with self.folder.lock(), _threads(self.config.threads), keeper.interrupt.listening():
            self.progress = keeper.restore()
            self.weights.by_share.update(self.progress.weights)
            with TrainLog(path, self.config, self._console, self._title, self.progress.step) as self._log:
                self.module.train()
                keeper.begin(self.progress, self._log.sync)
                self.run()
        if self.average:
            self.average.swap()  # what a finished run is used with; its own weights are in the last checkpoint
        self._warn_of_unused_weights()
        done = self.progress
        return Fitted(
            steps=done.step,
            samples=done.samples,
            seconds=done.seconds,
            data_seconds=done.data_seconds,
            checkpoint=keeper.last_good,
            resumed_at=keeper.resumed_at,
            notices=tuple(self._notices),
        )

    def run(self) -> None:
        """The algorithm."""
        while self.progress.step < self.config.steps:
            step, started = self.progress.step, time.monotonic()
            batches = self._batches(step)
            counts = step_counts(batches)
            waited = time.monotonic() - started

            torch.manual_seed(seed_of(self.config.seed, "step", step))
            self._before_step(step)
            totals, shares, weights = StepTotals(), self._shares(step), self.weights.at(step)
            for batch in batches:
                terms = self._forward(batch)
                parts = step_loss(terms, counts, weights)
                if shares:
                    shares.add(parts)
                backward(parts)
                totals.add(terms)
            grad_norm = float(clip_parts(self.module, self.config.clip, self.config.clip_apart))
            self._check(totals, counts, grad_norm, step)
            self._update(step)
            self._after_step(step)
            if shares and self.weights.measures(step):
                self.weights.follow(shares.norms(), step)

            self._advance(batches, time.monotonic() - started, waited)
            self._record(totals, weights, grad_norm, shares, batches, time.monotonic() - started)
            self._keeper.after_step(self.progress, self._log.sync)

    def _batches(self, step: int) -> list[StepBatch]:
        batches = self.stream.batches(step)
        if len(batches) != self.config.micro_batches:
            raise ConfigError(
                f"The stream cut step {step} into {len(batches)} micro-batches and the config says "
                f"{self.config.micro_batches}; build the stream with train.micro_batches, at most the number of samples."
            )
        return batches if self._device.type == "cpu" else [batch.to(self._device) for batch in batches]

    def _shares(self, step: int) -> GradientShares | None:
        every = self.config.shares_every_steps
        wanted = (every and step % every == 0) or self.weights.measures(step)
        return GradientShares(self.module, self.config.shares_of) if wanted else None

    def _forward(self, batch: StepBatch) -> Mapping[str, Tally]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.config.dtype == "bfloat16"):
            return self.module.terms(batch)

    def _check(self, totals: StepTotals, counts: Mapping[str, int], grad_norm: float, step: int) -> None:
        self._seen_terms |= counts.keys()
        totals.check_counts(counts, step)
        check_finite(totals.means(), grad_norm, self.module, step, self._keeper.last_good)
        if all(p.grad is None for p in self.module.parameters()):
            raise TrainingError(f"Step {step} gives no gradient to any parameter (its batches hold {dict(counts)}).")

    def _update(self, step: int) -> None:
        self.optimizer.set_lr(learning_rate(step, self.config))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(step)

    def _advance(self, batches: list[StepBatch], seconds: float, waited: float) -> None:
        done = self.progress
        self.progress = Progress(
            step=done.step + 1,
            samples=done.samples + sum(batch.num_samples for batch in batches),
            seconds=done.seconds + seconds,
            data_seconds=done.data_seconds + waited,
            weights=dict(self.weights.by_share),
        )

    def _record(
        self,
        totals: StepTotals,
        weights: Mapping[str, float],
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
            "loss": sum(weights.get(name, 1.0) * mean for name, mean in means.items()),
            "terms": means,
            "grad_norm": grad_norm,
        }
        if shares:
            record["shares"] = shares.result()
        if moving := self.weights.moving(weights):
            record["weights"] = moving
        if look := self._look():
            record["look"] = look.numbers
            if look.sentence:
                self._say(f"Step {self.progress.step}: {look.sentence}")
        clipped = bool(self.config.clip) and grad_norm > self.config.clip
        self._log.write(record, clipped, sum(batch.num_samples for batch in batches), seconds)

    def _warn_of_unused_weights(self) -> None:
        unused = sorted(set(self.config.weights) - self._seen_terms)
        if unused and self._seen_terms:
            found = ", ".join(sorted(self._seen_terms))
            self._say(f"The config weighs `{unused[0]}`, and no such term occurred in this run (found: {found}).")

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
