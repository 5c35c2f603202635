"""Runs of a study side by side, each in a process of its own with its own share of the cores, or several in one as a stack.

How many at once follows from the threads of a run. Where two processors are one core with two threads, runs one after the
other with two threads each finish earlier (249 against 181 samples/s, LOG.md); a fixed number makes a run's bits independent of
how many cores there are.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bothways.core.rundir import RunDir
from bothways.study.job import Failure, Job, JobFailed, child, title_of

LOOK_EVERY_S = 0.5


@dataclass
class _Running:
    jobs: Sequence[Job]
    process: BaseProcess
    answer: Connection
    bars: list[TaskID]


def run_all(stacks: Sequence[Sequence[Job]], workers: int, console: Console | None = None) -> None:
    """Runs every job, a stack in one process, in this order and at most `workers` at once.

    Raises: JobFailed with the first failed run's own sentence, after the others have been stopped and have saved.
    """
    with closing(ended(stacks, workers, console)) as one_by_one:
        for _, failure in one_by_one:
            if failure is not None:
                raise failure


def ended(
    stacks: Sequence[Sequence[Job]], workers: int, console: Console | None = None
) -> Iterator[tuple[Job, JobFailed | None]]:
    """Runs jobs as `run_all` does and yields each as it ends, with what stopped it; the others go on.

    Closing the iterator stops those that still run, after they have saved.
    """
    waiting = list(stacks)
    running: list[_Running] = []
    with _bars(console) as bars:
        try:
            while waiting or running:
                while waiting and len(running) < max(1, workers):
                    running.append(_start(waiting.pop(0), bars))
                time.sleep(LOOK_EVERY_S)
                for one in list(running):
                    _show(one, bars)
                    if one.answer.poll() or not one.process.is_alive():
                        running.remove(one)
                        failure = _failure(one)
                        yield from ((job, failure) for job in one.jobs)
        except BaseException:
            _stop(running)
            raise


def _start(jobs: Sequence[Job], bars: Progress | None) -> _Running:
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=child, args=(jobs, sender), name=title_of(jobs), daemon=False)
    process.start()
    sender.close()
    shown = [] if bars is None else [bars.add_task(j.title, total=j.recipe.train.steps, news="starting") for j in jobs]
    return _Running(jobs, process, receiver, shown)


def _show(one: _Running, bars: Progress | None) -> None:
    for job, bar in zip(one.jobs, one.bars, strict=False):
        record = _last_record(RunDir(job.folder))
        if record is None:
            continue
        steps, step = job.recipe.train.steps, record["step"]
        left = len(one.jobs) * record["seconds"] / max(step, 1) * (steps - step)  # a stack's seconds are shared
        news = f"loss {record['loss']:.3f}  {record['samples'] / record['seconds']:.0f} samples/s  ETA {left:.0f} s"
        bars.update(bar, completed=step, news=news if step < steps else "examined: answers, captions, drawings")


def _last_record(run: RunDir) -> dict | None:
    try:
        with run.log_path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 4096))
            whole = file.read().split(b"\n")[:-1]  # what follows the last newline may be half a line
            return json.loads(whole[-1]) if whole else None
    except (OSError, ValueError):
        return None


def _failure(one: _Running) -> JobFailed | None:
    """What an ended run said of its failure; None when it finished."""
    try:
        failure = one.answer.recv()
    except EOFError:
        failure = Failure(f"{title_of(one.jobs)} ended without a word (exit code {one.process.exitcode}).", 70)
    one.process.join()
    return None if failure is None else failure.error()


def _stop(running: list[_Running]) -> None:
    """SIGTERM lets a run finish its step and save."""
    for one in running:
        one.process.terminate()
    for one in running:
        one.process.join(timeout=30)
        if one.process.is_alive():
            one.process.kill()


def _bars(console: Console | None):
    if console is None:
        return nullcontext(None)
    name, news = TextColumn("{task.description:<16}"), TextColumn("{task.fields[news]}")
    return Progress(name, BarColumn(bar_width=30), TimeElapsedColumn(), news, console=console)
