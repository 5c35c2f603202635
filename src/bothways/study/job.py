"""One run of a study: an arm with a seed, from its first step to its scores, in a process of its own or with other seeds of the
arm that are trained as one stacked model (stack.py)."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bothways.core.disk import read_json, write_json
from bothways.core.errors import BothwaysError
from bothways.core.rundir import RunDir
from bothways.evaluate.scores import read_scores
from bothways.recipes.recipe import Recipe
from bothways.study.ledger import ArmLedger, counted
from bothways.worlds.world import Split

if TYPE_CHECKING:
    from bothways.model.unified import UnifiedModel
    from bothways.train.trainer import Fitted

LEDGER = "ledger.json"


class JobFailed(BothwaysError):
    """A run of a study stopped; what it had saved is there, and running the study again goes on from it."""


class Failure(NamedTuple):
    """What stopped a run, as it is sent from where it ran; `trace`: of an error that is none of this package's own."""

    sentence: str
    exit_code: int
    trace: str | None = None

    def error(self) -> JobFailed:
        """To be raised here."""
        error = JobFailed(f"{self.sentence} Run the same command again to go on." + (f"\n{self.trace}" if self.trace else ""))
        error.exit_code = self.exit_code
        return error


@dataclass(frozen=True)
class Job:
    """`folder` becomes the run folder; `cache` holds the encoded pictures; `reads` and `draws` say which exams are sat. `seed`:
    that of a study's run; None where there is one run alone, called as its folder is. `redrawn`: exams of drawings beside the
    final one, by name, each with what it changes of the recipe (dotted keys): to draw in another way takes no new training."""

    arm: str
    seed: int | None
    recipe: Recipe
    folder: Path
    cache: Path
    reads: bool
    draws: bool
    split: Split = "test"
    redrawn: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What people call the run."""
        return self.folder.name if self.seed is None else f"{self.arm}-{self.seed}"

    @property
    def is_done(self) -> bool:
        return self.is_examined and not self.missing

    @property
    def is_examined(self) -> bool:
        """Whether it was trained and has sat its final exam."""
        return (self.folder / LEDGER).exists()

    @property
    def missing(self) -> dict[str, Mapping[str, Any]]:
        """Those of `redrawn` that an examined run has not sat."""
        sat = read_scores(self.folder) if self.redrawn else {}
        return {name: changes for name, changes in self.redrawn.items() if name not in sat}

    def refuse_other(self) -> None:
        """Raises: RunError when the finished run is another recipe's. Keys younger than the run count as their defaults."""
        run = RunDir(self.folder)
        if self.is_examined:
            held = type(self.recipe).parse(run.config(), where=str(run.config_path))
            run.refuse_other(self.recipe.to_dict(), held.to_dict())

    @property
    def cost(self) -> ArmLedger:
        """What the finished run cost."""
        return ArmLedger.parse(read_json(self.folder / LEDGER), where=str(self.folder / LEDGER))

    @property
    def samples_per_step(self) -> int:
        return sum(source.samples_per_step for source in self.recipe.data.sources.values())


def work(jobs: Sequence[Job]) -> None:
    """Trains (or goes on training) one run, or several as one stacked model, examines each, and writes its ledger last; then
    sits the exams that are `redrawn`.

    Raises: BothwaysError of all kinds.
    """
    import torch

    torch.set_num_threads(jobs[0].recipe.train.threads or torch.get_num_threads())
    waiting = [job for job in jobs if not job.is_examined]
    models = dict(zip((job.folder for job in waiting), _train(waiting), strict=True)) if waiting else {}
    for job in jobs:
        if job.missing:
            _redraw(job, models.get(job.folder))


def _train(jobs: Sequence[Job]) -> list[UnifiedModel]:
    from bothways.model.encodings import encodings_for
    from bothways.recipes.assemble import train, train_together

    first, sittings = jobs[0], [Sitting(job) for job in jobs]
    encodings = encodings_for(first.recipe.model, first.cache)
    if len(jobs) == 1:
        going_on = RunDir(first.folder).config_path.exists()
        between = sittings[0].between
        trained = [train(first.recipe, first.folder, resume=going_on, encodings=encodings, on_milestone=between)]
    else:
        recipes, folders = [job.recipe for job in jobs], [job.folder for job in jobs]
        trained = train_together(recipes, folders, encodings, [sitting.between for sitting in sittings])
    for sitting, (model, fitted) in zip(sittings, trained, strict=True):
        sitting.finish(model, fitted)
    return [model for model, _ in trained]


def _redraw(job: Job, model: UnifiedModel | None) -> None:
    """Draws again in other ways, by `model` or else by what was saved of it."""
    from bothways.model.encodings import encodings_for
    from bothways.model.store import load
    from bothways.recipes.examine import examine

    run = RunDir(job.folder)
    if model is None:
        model, _ = load(run, encodings=encodings_for(job.recipe.model, job.cache))
    for name, changes in job.missing.items():
        examine(job.recipe.with_changes(dict(changes)), model, run, name, reads=False, split=job.split)


@dataclass
class Sitting:
    """The exams of a run. `between_s`: seconds of those during training."""

    job: Job
    between_s: float = 0.0

    def between(self, model: UnifiedModel, step: int) -> None:
        """The short exam of a checkpoint."""
        began = time.perf_counter()
        self._examine(model, f"step-{step:06d}", generate=False)
        self.between_s += time.perf_counter() - began

    def finish(self, model: UnifiedModel, fitted: Fitted) -> None:
        """The exam after training, and the ledger."""
        from bothways.model import freeze
        from bothways.recipes.spending import spending_of

        job, seconds = self.job, self._examine(model)
        seconds = {**seconds, "train": fitted.seconds, "evaluate": seconds.get("evaluate", 0.0) + self.between_s}
        cost = ArmLedger(
            seconds=seconds,
            parameters=freeze.counts(model)[freeze.ALL]["trained"],
            steps=fitted.steps,
            samples=fitted.samples,
            **counted(spending_of(job.recipe, model, job.draws)),
        )
        write_json(job.folder / LEDGER, cost.to_dict())

    def _examine(self, model: UnifiedModel, *name: str, **how: bool) -> dict[str, float]:
        from bothways.recipes.examine import examine

        job = self.job
        return examine(job.recipe, model, RunDir(job.folder), *name, reads=job.reads, draws=job.draws, split=job.split, **how)


def title_of(jobs: Sequence[Job]) -> str:
    """What people call runs that one process trains."""
    return ", ".join(job.title for job in jobs)


def outcome(jobs: Sequence[Job]) -> Failure | None:
    """`work`, where an error is an answer: None, or what stopped it."""
    try:
        work(jobs)
    except BothwaysError as error:
        return Failure(f"{title_of(jobs)}: {error}", error.exit_code)
    except Exception:
        return Failure(f"{title_of(jobs)} failed.", 70, traceback.format_exc())
    return None


def child(jobs: Sequence[Job], answer: Connection) -> None:
    """`outcome` in a child process, which sends it."""
    try:
        answer.send(outcome(jobs))
    except KeyboardInterrupt:
        answer.send(Failure(f"{title_of(jobs)} was interrupted.", 128 + signal.SIGINT))
