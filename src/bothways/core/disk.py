"""Writing files so that a reader sees the old one or the new one, never half of either, and saying in one sentence what a
disk refused. Everything that a run keeps goes through here."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bothways.core.errors import RunError

TEMPORARY = ".tmp-"  # names that begin so are leftovers of a killed process; readers skip them, the next writer removes them


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the OSErrors of a block that writes `path` into one sentence. Raises: RunError."""
    try:
        yield
    except OSError as error:
        raise RunError(_sentence(path, error)) from error


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes, syncs and renames into place; `path` holds the old or the new content even after a power cut.

    Raises: RunError when the disk is full, the folder cannot be written, or a file stands where a folder should.
    """
    data = content.encode() if isinstance(content, str) else content
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # mkstemp makes files that only their owner can read
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """`write_atomic` of a JSON value, indented for people."""
    write_atomic(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in `path`. Raises: RunError when it is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise RunError(f"{path} is missing.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}).") from None


def sync(path: Path) -> None:
    """Makes a file's content, or a folder's list of names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Deletes what killed processes left half written in `folder`."""
    for path in folder.glob(TEMPORARY + "*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk is full: {path} could not be written ({_free_mb(path)}); what was saved before is intact, "
            "so free some space and go on with --resume."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} cannot be written ({error.strerror}); choose another folder or change its permissions."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{path} cannot be written because a file stands where a folder is needed; choose another folder."
    return f"{path} cannot be written ({error})."


def _free_mb(path: Path) -> str:
    for folder in [path, *path.parents]:
        if folder.exists():
            return f"{shutil.disk_usage(folder).free // 2**20} MB are free"
    return "free space unknown"
