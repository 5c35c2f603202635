"""Runs of a study on a Ray cluster: one task a run, tried again when its worker dies.

    local-cluster           a cluster on this machine, started for the study and stopped behind it
    auto, HOST:PORT         a cluster that this machine is part of
    ray://HOST:PORT         a cluster reached from outside

Every node must see the folders of runs and cache under the same path, as on a shared file system: a run that is tried again
goes on from its last checkpoint there, on whatever node it lands.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from rich.console import Console

from bothways.core.errors import ConfigError
from bothways.study.job import Failure, Job, JobFailed, outcome, title_of
from bothways.study.side_by_side import LOOK_EVERY_S

LOCAL = "local-cluster"
NUM_RETRIES = 3  # of one run, when a worker or its node dies


def run_on(cluster: str, stacks: Sequence[Sequence[Job]], console: Console | None = None) -> None:
    """Runs every job, a stack in one task, in this order as far as the cluster has room.

    Raises: ConfigError when Ray is not installed or the cluster cannot be reached; JobFailed with the first failed run's own
    sentence, after the others were cancelled; what they had saved is there.
    """
    total, done = sum(map(len, stacks)), 0
    with _cluster(cluster) as ray:
        tasks = {}
        for jobs in stacks:
            threads = jobs[0].recipe.train.threads or 1
            # An error of a run's own is an outcome and no failure of the task, so that Ray does not try it again.
            task = ray.remote(num_cpus=threads, max_retries=NUM_RETRIES)(outcome)
            tasks[task.options(name=title_of(jobs)).remote(jobs)] = jobs
        try:
            while tasks:
                ready, _ = ray.wait(list(tasks), timeout=LOOK_EVERY_S)
                for reference in ready:
                    jobs = tasks.pop(reference)
                    _check(ray, reference, jobs)
                    done += len(jobs)
                    if console is not None:
                        console.print(f"{done} of {total} runs to be made are finished.")
        finally:
            for reference in tasks:
                ray.cancel(reference)


def _check(ray: Any, reference: Any, jobs: Sequence[Job]) -> None:
    try:
        failure = ray.get(reference)
    except ray.exceptions.RayError as error:
        why = str(error).strip().splitlines()[0]
        failure = Failure(f"{title_of(jobs)} was lost {NUM_RETRIES + 1} times ({why}).", JobFailed.exit_code)
    if failure is not None:
        raise failure.error()


def check_reachable(name: str) -> None:
    """What can be said of a cluster before anything is prepared for it. Raises: ConfigError when it has no name of a cluster,
    Ray is not installed, or nobody listens there."""
    if name not in (LOCAL, "auto") and ":" not in name:
        raise ConfigError(f"Found --on {name}; expected {LOCAL}, auto, HOST:PORT or ray://HOST:PORT.")
    if find_spec("ray") is None:
        raise ConfigError("Ray is not installed; `pip install 'bothways[cluster]'`, or leave --on out.")
    if name not in (LOCAL, "auto"):
        _refuse_silent(name)


@contextmanager
def _cluster(name: str) -> Iterator[Any]:
    """Ray, connected."""
    check_reachable(name)
    import ray

    quiet = {"log_to_driver": False, "logging_level": "error", "ignore_reinit_error": True}
    try:
        ray.init(include_dashboard=False, **quiet) if name == LOCAL else ray.init(address=name, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unreachable(name, error) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _refuse_silent(name: str) -> None:
    """Asks once whether anybody listens there: Ray itself would try for minutes, and end the process."""
    host, _, port = name.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(name, error) from None


def _unreachable(name: str, error: Exception) -> ConfigError:
    why = str(error).strip().splitlines()[0]
    return ConfigError(f"The cluster {name} cannot be reached ({why}); start it, or leave --on out.")
