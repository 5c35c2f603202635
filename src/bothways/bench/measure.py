"""Measuring in turn: A B A B ..., so that whatever else the machine does falls on all cases alike.

Ratios within one run can be trusted on a busy machine, seconds cannot. Wall seconds are what a user waits; process seconds
(of all threads) leave out the time in which other programs had the core, and mean something with one thread alone.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from bothways.core.provenance import provenance


@dataclass
class Case:
    """One thing that is timed: `units` (images, samples) are done in each of the timings."""

    units: int
    wall_s: list[float] = field(default_factory=list)
    process_s: list[float] = field(default_factory=list)

    def start(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def stop(self, counted: bool = True) -> None:
        wall, process = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        if counted:
            self.wall_s.append(wall)
            self.process_s.append(process)

    @property
    def median_s(self) -> float:
        """Wall seconds."""
        return statistics.median(self.wall_s)

    def summary(self) -> dict[str, Any]:
        return {
            "median_s": self.median_s,
            "fastest_s": min(self.wall_s),
            "process_median_s": statistics.median(self.process_s),
            "per_s": self.units / self.median_s,
            "num_timings": len(self.wall_s),
        }


@dataclass(frozen=True)
class Bench:
    """`cases` in the order measured; `ratio` says how many times as fast as `reference` the case `ours` is (medians of wall
    time), `process_ratio` the same of process time; `target` is what the project promises of `ratio`; `others` are further
    ratios of wall time, by what they compare."""

    what: str
    shape: dict[str, Any]
    cases: list[dict[str, Any]]
    ours: str
    reference: str
    ratio: float
    process_ratio: float
    target: float
    machine: dict[str, Any]
    others: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def in_turn(jobs: Mapping[str, Callable[[], object]], units: int, rounds: int, warmups: int = 2) -> dict[str, Case]:
    """Every job once a round; the warm-up rounds are not counted."""
    cases = {name: Case(units) for name in jobs}
    for number in range(-warmups, rounds):
        for name, job in jobs.items():
            cases[name].start()
            job()
            cases[name].stop(number >= 0)
    return cases


def compared(
    what: str,
    shape: dict[str, Any],
    cases: Mapping[str, Case],
    ours: str,
    reference: str,
    target: float,
    others: Sequence[tuple[str, str]] = (),
) -> Bench:
    """The result of a bench; `others` are further pairs of cases to be compared."""

    def ratio(one: str, other: str, of: Callable[[Case], float]) -> float:
        a, b = cases[one], cases[other]
        return (a.units / of(a)) / (b.units / of(b))

    summaries = [{"case": name} | case.summary() for name, case in cases.items()]
    wall, process = ratio(ours, reference, _wall), ratio(ours, reference, _process)
    more = {f"{one} / {other}": ratio(one, other, _wall) for one, other in others}
    return Bench(what, shape, summaries, ours, reference, wall, process, target, machine(), more)


def _wall(case: Case) -> float:
    return case.median_s


def _process(case: Case) -> float:
    return statistics.median(case.process_s)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """That many threads for torch; 0 leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, Any]:
    """What the seconds were measured on: provenance, processor and threads."""
    return provenance() | {"processor": _processor(), "num_threads": torch.get_num_threads()}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"
