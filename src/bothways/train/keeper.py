"""What a run keeps, and when: checkpoints on time, milestones, the last save before it stops.

The trainer knows how to make a step; the keeper knows how a run begins, survives and ends.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from torch import nn

from bothways.core.disk import read_json, remove_leftovers, write_json
from bothways.model.checkpoint import Checkpoint, HasState, Progress, name_of, newest, open_checkpoint
from bothways.train import checkpoint
from bothways.train.average import Average
from bothways.train.config import TrainConfig
from bothways.train.interrupt import Interrupt, Interrupted
from bothways.train.step import check_weights


class Keeper:
    """Guards the checkpoints of one run in `folder`. `say` takes sentences that the user should see."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        module: nn.Module,
        optimizer: HasState,
        average: Average | None,
        on_milestone: Callable[[int], None] | None,
        say: Callable[[str], None],
        interrupt: Interrupt,
    ):
        self.interrupt = interrupt
        self.resumed_at: int | None = None
        self._folder, self._config, self._module, self._optimizer = folder, config, module, optimizer
        self._average = average
        self._on_milestone, self._say = on_milestone, say
        self._saved_step, self._saved_at = -1, 0.0

    @property
    def last_good(self) -> Path | None:
        """The newest checkpoint of this run; None before the first one."""
        return self._folder / name_of(self._saved_step) if self._saved_step >= 0 else None

    def restore(self, step: int | None = None) -> Progress:
        """Loads the newest valid checkpoint, if there is one, and returns how far the run is. `step`: that of this step
        instead; later ones are set aside, and 0 without a checkpoint is the beginning."""
        remove_leftovers(self._folder)
        found = newest(self._folder, self._say) if step is None else self._of(step)
        checkpoint.set_aside_newer(self._folder, -1 if found is None else found.progress.step)
        if found is None:
            return Progress()
        found.load_into(self._module, averaged=False)
        found.load_optimizer(self._module, self._optimizer)
        if self._average:
            self._average.load(found.average())
        self._saved_step = self.resumed_at = found.progress.step
        self._say(f"Going on from {found.path} (step {found.progress.step} of {self._config.steps}).")
        return found.progress

    def _of(self, step: int) -> Checkpoint | None:
        path = self._folder / name_of(step)
        return open_checkpoint(path) if step or path.exists() else None

    def begin(self, progress: Progress, before_save: Callable[[], None]) -> None:
        """The first save comes before the first step: a disk that refuses is better found now than in a minute."""
        self.save(progress, before_save)
        self._milestone(progress.step)

    def after_step(self, progress: Progress, before_save: Callable[[], None]) -> None:
        """Saves when it is time, at milestones, at the end and when asked to stop. Raises: Interrupted in that case."""
        if self.is_due(progress.step):
            self.save(progress, before_save)
        self.go_on(progress.step)

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint is to be written after this step."""
        late = time.monotonic() - self._saved_at >= self._config.checkpoint_every_s
        return bool(late or self.interrupt.requested or step in self._config.milestone_steps or step == self._config.steps)

    def save(self, progress: Progress, before_save: Callable[[], None]) -> None:
        """Writes a checkpoint of this step, if there is none yet."""
        if progress.step != self._saved_step:
            check_weights(self._module, progress.step, self.last_good)
            before_save()
            checkpoint.save_checkpoint(self._folder, progress, self._module, self._optimizer, self._average)
            self._saved_step = progress.step
            checkpoint.prune(self._folder, self._config.milestone_steps)
        self._saved_at = time.monotonic()

    def go_on(self, step: int) -> None:
        """The milestone, if the step is one. Raises: Interrupted when asked to stop."""
        if self.interrupt.requested:
            raise self._interrupted(step)
        self._milestone(step)

    def _milestone(self, step: int) -> None:
        """Calls `on_milestone`, once for every milestone, however often the run is killed in it."""
        if self._on_milestone is None or step not in self._config.milestone_steps:
            return
        path = self._folder / "milestones.json"
        done = read_json(path) if path.exists() else []
        if step in done:
            return
        try:
            with self.interrupt.at_once(), self._average.in_use() if self._average else nullcontext():
                self._on_milestone(step)
        except KeyboardInterrupt:
            if self.interrupt.requested is None:
                raise
            raise self._interrupted(step) from None
        write_json(path, [*done, step])
        self._module.train()
        self._saved_at = time.monotonic()

    def _interrupted(self, step: int) -> Interrupted:
        number = self.interrupt.requested
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        return Interrupted(f"Stopped by {name} after step {step}; saved {self.last_good}; go on with --resume.", number)
