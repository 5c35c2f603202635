"""Every picture of a data set opened once before training: a damaged one is better found now than in the middle of a run."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bothways.core.disk import write_atomic
from bothways.core.errors import DataError, RunError
from bothways.data.pixels import check_picture

_SLOW_S = 10.0  # checks that take longer are remembered beside the data file
_THREADS = 4  # decoding lets go of Python's lock


def broken_among(paths: Mapping[str, Path], beside: Path) -> dict[str, str]:
    """Name -> why, of those that cannot be read. What a slow check found is kept as `.NAME.checked` in the folder of the
    file `beside`, by size and time of change, where that folder can be written."""
    memory = beside.with_name(f".{beside.name}.checked")
    known, began = _recalled(memory), time.monotonic()
    stamps = {name: _stamp(path) for name, path in paths.items()}
    fresh = [name for name, stamp in stamps.items() if name not in known or known[name][0] != stamp]
    with ThreadPoolExecutor(_THREADS) as pool:
        reasons = dict(zip(fresh, pool.map(lambda name: _reason(paths[name]), fresh), strict=True))
    found = {name: reasons[name] if name in reasons else known[name][1] for name in paths}
    if time.monotonic() - began > _SLOW_S:
        with contextlib.suppress(RunError):  # a folder that only others may write: the next run checks again
            write_atomic(memory, json.dumps({name: [stamps[name], reason] for name, reason in found.items()}))
    return {name: reason for name, reason in found.items() if reason}


def _reason(path: Path) -> str | None:
    try:
        check_picture(path)
    except DataError as error:
        return str(error)
    return None


def _stamp(path: Path) -> list[int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _recalled(memory: Path) -> dict[str, list]:
    try:
        held = json.loads(memory.read_text())
        return held if isinstance(held, dict) else {}
    except (OSError, ValueError):
        return {}
