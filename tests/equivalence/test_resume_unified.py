"""A unified model whose training was killed and resumed ends with the bits of one that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from test_resume import assert_same_run

import unified_training
from bothways.core.rundir import RunDir
from bothways.train.log import read_log
from unified_training import STEPS


def command(run: Path, sleep_s: float) -> list[str]:
    return [sys.executable, unified_training.__file__, str(run), str(sleep_s)]


def test_training_killed_with_sigkill_and_resumed_equals_uninterrupted_training(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with subprocess.Popen(command(killed, 0.1), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 300
        while len(read_log(killed / "log.jsonl")) < 5 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        said = process.communicate(timeout=60)[0]
    assert process.returncode == -signal.SIGKILL, said
    assert 5 <= len(read_log(killed / "log.jsonl")) < STEPS and not RunDir(killed).is_done
    again = subprocess.run(command(killed, 0.0), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    unified_training.train(whole)
    assert RunDir(killed).is_done and RunDir(whole).is_done
    assert_same_run(killed, whole)
