"""One trainer for every module that offers `terms(batch) -> dict[str, Tally]`: unified models and visual tokenizers alike.

`Trainer.run` is the algorithm; everything else here is how a run begins, is saved, is watched and ends. Its pieces are public
because several runs can go step by step together (together.py). On the CPU, on one
machine and thread count, a run that was killed and resumed ends with the same bits as one that was not: data and draws
are functions of the step, and nothing else is remembered than what a checkpoint holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from bothways.core.errors import ConfigError, TrainingError
from bothways.core.randomness import seed_of
from bothways.core.rundir import RunDir
from bothways.core.tally import Tally
from bothways.model.checkpoint import Progress
from bothways.train.average import Average
from bothways.train.config import TrainConfig
from bothways.train.interrupt import Interrupt
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


@dataclass
class OpenStep:
    """A step whose data are there and whose gradients are to be made. `number`: from 0. `began`: monotonic seconds; `waited`:
    seconds for the data."""

    number: int
    began: float
    batches: list[StepBatch]
    counts: dict[str, int]
    waited: float
    weights: dict[str, float]
    shares: GradientShares | None
    totals: StepTotals
    grad_norm: float = 0.0  # before clipping

    def parts(self, terms: Mapping[str, Tally]) -> dict[str, Tensor]:
        """What the terms of one of its batches add to the loss."""
        self.totals.add(terms)
        return step_loss(terms, self.counts, self.weights)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    @property
    def num_samples(self) -> int:
        return sum(batch.num_samples for batch in self.batches)


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
        interrupt: Interrupt | None = None,
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
        self._interrupt = interrupt or Interrupt()
        kept = (module, self.optimizer, self.average)
        self._keeper = Keeper(run.checkpoints, config, *kept, on_milestone, self._say, self._interrupt)
        self._notices: list[str] = []
        self._seen_terms: set[str] = set()
        if config.shares_every_steps or self.weights.by_share:
            GradientShares(module, config.shares_of)  # refuses a prefix without parameters before any work is done

    def fit(self) -> Fitted:
        """Trains to the last step.

        Raises: TrainingError when a loss, gradient or weight is not finite; RunError when the disk refuses or no
        checkpoint is valid; Interrupted after SIGINT or SIGTERM. What was saved before stays in every case.
        """
        with self._interrupt.listening(), self.opened():
            self.run()
        return self.fitted()

    def run(self) -> None:
        """The algorithm."""
        while not self.is_finished:
            self.make_step()
            self._keeper.after_step(self.progress, self._log.sync)

    def make_step(self) -> None:
        """One step, from its data to its line in the log."""
        step = self.open_step()
        for batch in step.batches:
            with self.arithmetic():
                terms = self.module.terms(batch if self._device.type == "cpu" else batch.to(self._device))
            parts = step.parts(terms)
            if step.shares:
                step.shares.add(parts)
            backward(parts)
        self.check(step)
        self.optimizer.step()
        self.close_step(step)

    @contextmanager
    def opened(self, step: int | None = None) -> Iterator[None]:
        """The run folder locked, its log open, and the newest checkpoint taken up, or that of `step` (see `Keeper.restore`)."""
        with self.folder.lock(), _threads(self.config.threads):
            self.progress = self._keeper.restore(step)
            self.weights.by_share.update(self.progress.weights)
            with TrainLog(self.folder.log_path, self.config, self._console, self._title, self.progress.step) as self._log:
                self.module.train()
                self._keeper.begin(self.progress, self._log.sync)
                yield

    @property
    def is_finished(self) -> bool:
        return self.progress.step >= self.config.steps

    def open_step(self) -> OpenStep:
        """The next step, its data loaded and the module told of it."""
        step, began = self.progress.step, time.monotonic()
        batches = self._batches(step)
        counts, waited = step_counts(batches), time.monotonic() - began
        torch.manual_seed(seed_of(self.config.seed, "step", step))
        self._before_step(step)
        return OpenStep(step, began, batches, counts, waited, self.weights.at(step), self._shares(step), StepTotals())

    def arithmetic(self) -> AbstractContextManager:
        """The dtype of the forward pass."""
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.config.dtype == "bfloat16")

    def check(self, step: OpenStep) -> None:
        """Clips the gradients of a step, sets its learning rate, and leaves it ready for the update.

        Raises: TrainingError when something is not finite, was counted wrongly, or nothing has a gradient.
        """
        step.grad_norm = float(clip_parts(self.module, self.config.clip, self.config.clip_apart))
        self._seen_terms |= step.counts.keys()
        step.totals.check_counts(step.counts, step.number)
        check_finite(step.totals.means(), step.grad_norm, self.module, step.number, self._keeper.last_good)
        if all(p.grad is None for p in self.module.parameters()):
            raise TrainingError(
                f"Step {step.number} gives no gradient to any parameter (its batches hold {dict(step.counts)})."
            )
        self.optimizer.set_lr(learning_rate(step.number, self.config))

    def close_step(self, step: OpenStep, seconds: float | None = None) -> None:
        """What follows the update. `seconds` that the step took; None: all since it began."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(step.number)
        self._after_step(step.number)
        if step.shares and self.weights.measures(step.number):
            self.weights.follow(step.shares.norms(), step.number)
        self._advance(step, step.seconds if seconds is None else seconds)
        self._record(step, step.seconds if seconds is None else seconds)

    def is_due(self) -> bool:
        """Whether it is time to save."""
        return self._keeper.is_due(self.progress.step)

    def save(self) -> None:
        self._keeper.save(self.progress, self._log.sync)

    def go_on(self) -> None:
        """What comes after a step is saved or need not be: a milestone, or the end. Raises: Interrupted when asked to stop."""
        self._keeper.go_on(self.progress.step)

    def fitted(self) -> Fitted:
        """What was done, when the last step is behind. The module then has the weights that a run is used with."""
        if self.average:
            self.average.swap()  # its own weights are in the last checkpoint
        self._warn_of_unused_weights()
        done, keeper = self.progress, self._keeper
        return Fitted(
            steps=done.step,
            samples=done.samples,
            seconds=done.seconds,
            data_seconds=done.data_seconds,
            checkpoint=keeper.last_good,
            resumed_at=keeper.resumed_at,
            notices=tuple(self._notices),
        )

    def _batches(self, step: int) -> list[StepBatch]:
        batches = self.stream.batches(step)
        if len(batches) != self.config.micro_batches:
            raise ConfigError(
                f"The stream cut step {step} into {len(batches)} micro-batches and the config says "
                f"{self.config.micro_batches}; build the stream with train.micro_batches, at most the number of samples."
            )
        return batches

    def _shares(self, step: int) -> GradientShares | None:
        every = self.config.shares_every_steps
        wanted = (every and step % every == 0) or self.weights.measures(step)
        return GradientShares(self.module, self.config.shares_of) if wanted else None

    def _advance(self, step: OpenStep, seconds: float) -> None:
        done = self.progress
        self.progress = Progress(
            step=done.step + 1,
            samples=done.samples + step.num_samples,
            seconds=done.seconds + seconds,
            data_seconds=done.data_seconds + step.waited,
            weights=dict(self.weights.by_share),
        )

    def _record(self, step: OpenStep, seconds: float) -> None:
        means = step.totals.means()
        record: dict[str, Any] = {
            "step": self.progress.step,
            "samples": self.progress.samples,
            "seconds": round(self.progress.seconds, 3),
            "lr": learning_rate(step.number, self.config),
            "loss": sum(step.weights.get(name, 1.0) * mean for name, mean in means.items()),
            "terms": means,
            "grad_norm": step.grad_norm,
        }
        if step.shares:
            record["shares"] = step.shares.result()
        if moving := self.weights.moving(step.weights):
            record["weights"] = moving
        if look := self._look():
            record["look"] = look.numbers
            if look.sentence:
                self._say(f"Step {self.progress.step}: {look.sentence}")
        clipped = bool(self.config.clip) and step.grad_norm > self.config.clip
        self._log.write(record, clipped, step.num_samples, seconds)

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
