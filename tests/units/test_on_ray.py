"""A study on a real Ray cluster on this machine, one of whose workers is killed in the middle of an arm."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import tiny
from bothways.core.errors import ConfigError
from bothways.studies import STUDIES
from bothways.study.run import run
from bothways.study.study import Study

POOLS = {f"data.sources.watch/{kind}.num_pictures": 6 for kind in ("vqa", "caption", "draw")}
BUDGET = {
    "train.threads": 1,
    "train.steps": 120,
    "train.milestones": 0,
    "train.checkpoint_every_s": 0.2,
    "train.dtype": "float32",
    "model.given": tiny.VQ,
    "model.learned": tiny.VQ,
    "model.backbone.size": "tiny",
    "model.backbone.attention": "sdpa",
    "model.max_tokens": 256,
    "data.sources.watch/vqa.samples_per_step": 2,
    "data.sources.watch/caption.samples_per_step": 1,
    "data.sources.watch/draw.samples_per_step": 2,
    "exam.num_pictures": 3,
    "exam.num_drawings": 1,
    "exam.max_text_tokens": 4,
}


def small() -> Study:
    study = STUDIES.load("quickstart")
    arms = [arm.to_dict() for arm in study.arms if arm.name != "drawing"]
    comparisons = [one.to_dict() for one in study.comparisons if one.name == "reading"]
    return Study.parse(study.to_dict() | {"base_changes": BUDGET | POOLS, "arms": arms, "comparisons": comparisons})


def kill_a_worker(run_folder: Path, killed: list[int]) -> None:
    """Kills the process that trains there, once it has saved and gone on."""
    for _ in range(30_000):
        log, saved = run_folder / "log.jsonl", list((run_folder / "checkpoints").glob("step-*"))
        if saved and log.exists() and len(log.read_text().splitlines()) > 20:
            break
        time.sleep(0.02)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(b"ray::unified-0"):
            os.kill(int(entry.name), signal.SIGKILL)
            killed.append(int(entry.name))
            return


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_killed_worker_changes_nothing_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")  # on a full machine Ray kills workers by itself
    study, killed = small(), []
    here = run(study, tmp_path / "here")
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "ray" / "unified-0", killed))
    killer.start()
    there = run(study, tmp_path / "ray", cluster="local-cluster")
    killer.join()
    assert killed, "the worker was found"
    assert len(json.loads((tmp_path / "ray" / "unified-0" / "provenance.json").read_text())) == 2, "the run was taken up again"
    one, other = (json.loads(page.with_name("report.json").read_text()) for page in (here, there))
    for part in ("scores", "differences", "verdicts", "exams"):
        assert one[part] == other[part], part
    assert one["standing"]["registered"] == other["standing"]["registered"]


@pytest.mark.parametrize(("name", "expected"), [("here", "local-cluster"), ("127.0.0.1:1", "cannot be reached")])
def test_a_cluster_that_is_none_is_refused(name: str, expected: str, tmp_path: Path):
    with pytest.raises(ConfigError, match=expected):
        run(small(), tmp_path, cluster=name)
