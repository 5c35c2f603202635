"""Run folders: what may be entered, what a refusal says, and that files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.core.disk import TEMPORARY, read_json, write_atomic
from bothways.core.errors import BothwaysError, RunError
from bothways.core.rundir import RunDir

CONFIG = {"train": {"lr": 1e-5, "betas": (0.9, 0.95)}, "recipe": "toy", "nothing": None}


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """A folder that this process may not write in, also when the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(before)
        folder.chmod(0o755)
        folder.rmdir()


def is_one_sentence(error: BothwaysError) -> bool:
    text = str(error)
    return "\n" not in text and text.endswith(".") and len(text) < 400


def test_a_new_run_holds_its_resolved_config_and_where_it_came_from(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "a" / "run", CONFIG)
    assert run.config() == {"train": {"lr": 1e-5, "betas": [0.9, 0.95]}, "recipe": "toy", "nothing": None}
    (start,) = read_json(run.provenance_path)
    assert start["packages"]["torch"] and start["python"] and start["started"].endswith("+00:00")
    assert run.checkpoints.is_dir() and not run.is_done


def test_a_run_is_resumed_with_its_own_config_and_each_start_is_recorded(tmp_path: Path) -> None:
    RunDir.create(tmp_path, CONFIG)
    run = RunDir.create(tmp_path, CONFIG, resume=True)
    assert len(read_json(run.provenance_path)) == 2


def test_the_same_run_without_resume_is_refused_and_resume_is_named(tmp_path: Path) -> None:
    RunDir.create(tmp_path, CONFIG)
    with pytest.raises(RunError, match="add --resume") as caught:
        RunDir.create(tmp_path, CONFIG)
    assert is_one_sentence(caught.value)


@pytest.mark.parametrize("resume", [True, False])
def test_a_run_of_another_config_is_refused_and_the_key_is_named(tmp_path: Path, resume: bool) -> None:
    RunDir.create(tmp_path, CONFIG)
    other = CONFIG | {"train": {"lr": 1e-4, "betas": (0.9, 0.95)}}
    with pytest.raises(RunError, match=r"train\.lr is 1e-05 there and 0\.0001 here") as caught:
        RunDir.create(tmp_path, other, resume=resume)
    assert is_one_sentence(caught.value)
    assert RunDir.open(tmp_path).config()["train"]["lr"] == 1e-5


def test_a_key_that_only_one_config_has_is_a_difference(tmp_path: Path) -> None:
    RunDir.create(tmp_path, CONFIG)
    with pytest.raises(RunError, match="new is absent there and 1 here"):
        RunDir.create(tmp_path, CONFIG | {"new": 1}, resume=True)


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="file") as caught:
            RunDir.create(path, CONFIG)
        assert is_one_sentence(caught.value)
    with pytest.raises(RunError, match="is a file; expected a run folder"):
        RunDir.open(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match=r"thesis\.tex") as caught:
        RunDir.create(tmp_path, CONFIG)
    assert is_one_sentence(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_resume_where_no_run_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="leave --resume out"):
        RunDir.create(tmp_path / "new", CONFIG, resume=True)
    assert not (tmp_path / "new").exists()


def test_a_creation_that_was_killed_before_its_config_can_be_done_again(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / ".lock").touch()
    (tmp_path / f"{TEMPORARY}x1").write_text("half a con")
    run = RunDir.create(tmp_path, CONFIG)
    assert run.config()["recipe"] == "toy" and not list(tmp_path.glob(f"{TEMPORARY}*"))


def test_opening_nothing_or_no_run_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no run at"):
        RunDir.open(tmp_path / "absent")
    with pytest.raises(RunError, match=r"no config\.yaml"):
        RunDir.open(tmp_path)


def test_an_unwritable_folder_is_one_sentence(locked_folder: Path) -> None:
    with pytest.raises(RunError, match=r"cannot be written .*Permission denied.*choose another folder") as caught:
        RunDir.create(locked_folder / "run", CONFIG)
    assert is_one_sentence(caught.value) and caught.value.exit_code


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "scores.json", "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"The disk is full: .*MB are free.*--resume") as caught:
        write_atomic(tmp_path / "scores.json", "new")
    assert is_one_sentence(caught.value)
    assert (tmp_path / "scores.json").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["scores.json"]


def test_two_processes_cannot_write_into_one_run_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    RunDir.create(tmp_path, CONFIG)
    program = (
        "import os, sys; from bothways.core.rundir import RunDir\n"
        f"with RunDir({str(tmp_path)!r}).lock():\n  print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="Another process is writing"):
            RunDir.create(tmp_path, CONFIG, resume=True)
        other.kill()
        other.wait()
    with RunDir(tmp_path).lock():
        pass


def test_done_is_written_with_its_summary(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, CONFIG)
    run.mark_done({"steps": 3})
    assert run.is_done and read_json(run.done_path) == {"steps": 3}
