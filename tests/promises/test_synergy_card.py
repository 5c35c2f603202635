"""`bothways synergy` from a recipe or a run to its card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bothways.core.errors import ConfigError, DataError, RunError
from conftest import changes

POOLS = {f"data.sources.watch/{kind}.num_pictures": 6 for kind in ("vqa", "caption", "draw")}


@pytest.mark.slow
def test_a_run_becomes_a_card_that_says_pilot_and_a_second_time_trains_nothing(trained: Path, tmp_path: Path, told) -> None:
    out, words = tmp_path / "card", ("--seeds", 1, "--set", "train.shares_every_steps=1", *changes(**POOLS))
    code, said, _ = told("synergy", trained, "--out", out, *words)
    assert code == 0 and all(len(line) <= 80 or str(out) in line for line in said.splitlines()) and "…" not in said
    for words_said in (
        "Synergy card: pilot",
        "over the best placebo",
        "a verdict takes 5",
        "exchange rate",
        "Not on this card",
    ):
        assert words_said in said
    card = json.loads((out / "card.json").read_text())
    assert card["result"] == "pilot" and len(card["costs"]) == 7 and all(one["flops"] > 0 for one in card["costs"])
    assert sum(card["shares"].values()) == pytest.approx(1, abs=0.01)
    assert (out / "card.html").exists() and (out / "report.html").exists()
    done = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/DONE")}
    assert len(done) == 7
    assert told("synergy", trained, "--out", out, *words)[1] == said
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/DONE")} == done


def test_what_makes_no_card_is_refused_in_a_sentence_before_anything_is_trained(trained: Path, tmp_path: Path, told) -> None:
    file = tmp_path / "file"
    file.write_text("")
    cases = [
        (("vq-qv",), ConfigError, "vq-vq"),
        ((tmp_path,), RunError, "no config.yaml"),
        (("vq-tokenizer",), ConfigError, "makes a tokenizer"),
        ((trained, "--set", "data.sources.watch/draw.samples_per_step=0"), ConfigError, "trains no drawing"),
        (("vq-vq", "--set", "exam.num_drawings=0"), DataError, "exam.num_drawings"),
        (("vq-vq", "--set", "train.stepz=3"), ConfigError, "stepz"),
    ]
    for words, error, expected in cases:
        code, said, err = told("synergy", *words, "--out", tmp_path / "out")
        assert (code, said) == (error.exit_code, ""), words
        assert expected in " ".join(err.split()) and "Traceback" not in err
    assert told("synergy", "vq-vq", "--out", file)[0] == RunError.exit_code
    assert not (tmp_path / "out").exists()
