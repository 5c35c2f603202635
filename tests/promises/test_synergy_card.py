"""`bothways synergy` from a recipe or a run to its card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bothways.core.errors import ConfigError, RunError
from conftest import changes

POOLS = {f"data.sources.watch/{kind}.num_pictures": 6 for kind in ("vqa", "caption", "draw")}


@pytest.mark.slow
def test_a_run_becomes_a_card_that_says_pilot_and_a_second_time_trains_nothing(trained: Path, tmp_path: Path, told) -> None:
    out, words = tmp_path / "card", ("--seeds", 1, "--labels", "2,4", *changes(**POOLS))
    code, said, err = told("synergy", trained, "--out", out, *words)
    assert code == 0 and all(len(line) <= 80 or str(out) in line for line in said.splitlines()) and "…" not in said
    for words_said in (
        "Synergy card: pilot",
        "over the best placebo",
        "a verdict takes 5",
        "exchange rate",
        "follows the swap",
        "with 2 labels",
        "Not on this card",
    ):
        assert words_said in said
    assert "train.shares_every_steps=1" in err and "exam.num_drawings_between=2" in err
    card = json.loads((out / "card.json").read_text())
    assert card["result"] == "pilot" and len(card["costs"]) == 13 and all(one["flops"] > 0 for one in card["costs"])
    assert sum(card["shares"].values()) == pytest.approx(1, abs=0.01)
    assert [one["labels"] for one in card["labels"]["points"]] == [2, 4] and card["labels"]["full"] == 6
    for name in ("card.html", "card.md", "report.html"):
        assert (out / name).exists()
    done = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/DONE")}
    assert len(done) == 13
    assert told("synergy", trained, "--out", out, *words)[1] == said
    fewer = [word for word in words if word not in ("--labels", "2,4")]
    assert told("synergy", trained, "--out", tmp_path / "other", "--runs", out / "runs", *fewer)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/DONE")} == done, "runs are shared"


def test_what_makes_no_card_is_refused_in_a_sentence_before_anything_is_trained(trained: Path, tmp_path: Path, told) -> None:
    file = tmp_path / "file"
    file.write_text("")
    cases = [
        (("vq-qv",), ConfigError, "vq-vq"),
        ((tmp_path,), RunError, "no config.yaml"),
        (("vq-tokenizer",), ConfigError, "makes a tokenizer"),
        ((trained, "--set", "data.sources.watch/draw.samples_per_step=0"), ConfigError, "trains no drawing"),
        (("vq-vq", "--set", "exam.num_drawings=0"), ConfigError, "The exam draws nothing"),
        (("vq-vq", "--set", "train.stepz=3"), ConfigError, "stepz"),
        (("pico", "--labels", "few"), ConfigError, "--labels few"),
        (("pico", "--labels", "64,4000"), ConfigError, "below the 200 pictures"),
    ]
    for words, error, expected in cases:
        code, said, err = told("synergy", *words, "--out", tmp_path / "out")
        assert (code, said) == (error.exit_code, ""), words
        assert expected in " ".join(err.split()) and "Traceback" not in err
    assert told("synergy", "vq-vq", "--out", file)[0] == RunError.exit_code
    assert not (tmp_path / "out").exists()
