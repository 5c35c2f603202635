"""`bothways study tune` by the command itself: models are trained once, draw again, and the study that comes of it is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bothways.core.config import read_yaml
from bothways.core.errors import ConfigError
from bothways.study.job import LEDGER, Job, work
from conftest import TINY

POOLS = {f"data.sources.watch/{kind}.num_pictures": 6 for kind in ("vqa", "caption", "draw")}
UNREAD = {"data.sources.watch/vqa.samples_per_step": 0, "data.sources.watch/caption.samples_per_step": 0}
FILE = {
    "like": "quickstart",
    "title": "Does reading help to draw, each at its best guidance?",
    "base_changes": {**{key: yaml.safe_load(str(value)) for key, value in TINY.items()}, "train.threads": 1, **POOLS},
    "arms": [{"name": "draws", "changes": UNREAD, "reads": False}, {"name": "both"}],
    "comparisons": [
        {
            "name": "drawing",
            "question": "Does it draw better?",
            "treatment": "both",
            "control": "draws",
            "primary": "drawing/weather/accuracy",
        }
    ],
    "gates": [],
}
GUIDANCE = ("--try", "exam.guidance=1.5,3")


def here(stacks: list[list[Job]], *_: object) -> None:
    """Runs in this process, which saves a start of torch each; test_study_files.py has them in processes of their own."""
    for jobs in stacks:
        work(jobs)


@pytest.fixture(scope="module", autouse=True)
def in_this_process():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bothways.study.run.run_all", here)
        yield


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tuning; the study's file lies beside it."""
    from bothways.cli.main import main

    folder = tmp_path_factory.mktemp("tune")
    (folder / "mine.yaml").write_text(yaml.safe_dump(FILE))
    words = ["study", "tune", str(folder / "mine.yaml"), "--out", str(folder / "out"), *GUIDANCE, "--seeds", "2"]
    assert main(words) == 0
    return folder / "out"


def ledgers(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (out / "runs").glob(f"*/{LEDGER}")}


def test_a_model_is_trained_once_and_draws_its_validation_exam_again(tuned: Path) -> None:
    assert len(ledgers(tuned)) == 4, "two arms, two pilot seeds"
    for ledger in ledgers(tuned):
        exams = {path.parent.name: json.loads(path.read_text()) for path in ledger.parent.glob("answers/*/exam.json")}
        assert {"final", "guidance-1.5", "guidance-3"} <= set(exams)
        assert {exam["split"] for exam in exams.values()} == {"validation"}
        assert exams["guidance-3"]["how"]["image"]["guidance"] == 3
        asked = (ledger.parent / "answers/guidance-3/answers.jsonl").read_text()
        assert '"kind": "drawing"' in asked and '"kind": "question"' not in asked


def test_a_tuning_goes_on_where_it_was_stopped_and_may_try_more_without_training(tuned: Path, told) -> None:
    before, held = ledgers(tuned), (tuned / "tuning.json").read_bytes()
    answers = {path: path.stat().st_mtime_ns for path in tuned.glob("runs/*/answers/*/answers.jsonl")}
    lost = next(tuned.glob("runs/*/answers/guidance-3"))
    scores = lost.parent.parent / "scores.json"
    kept = json.loads(scores.read_text())
    del kept["answers"]["guidance-3"]
    scores.write_text(json.dumps(kept))
    code, said, _ = told("study", "tune", tuned.parent / "mine.yaml", "--out", tuned, *GUIDANCE, "--seeds", 2)
    assert code == 0 and ledgers(tuned) == before and (tuned / "tuning.json").read_bytes() == held
    again = {path for path in answers if path.stat().st_mtime_ns != answers[path]}
    assert again == {lost / "answers.jsonl"}
    assert all(len(line) <= 80 for line in said.splitlines() if ":" not in line and str(tuned) not in line)
    code, _, _ = told(
        "study", "tune", tuned.parent / "mine.yaml", "--out", tuned, "--try", "exam.guidance=1.5,2,3", "--seeds", 2
    )
    assert code == 0 and ledgers(tuned) == before
    trials = json.loads((tuned / "tuning.json").read_text())["arms"]["both"]["trials"]
    assert [trial["changes"]["exam.guidance"] for trial in trials] == [1.5, 2, 3]


def test_the_study_that_comes_of_it_is_registered_run_and_reported_as_tuned(tuned: Path, tmp_path: Path, told) -> None:
    study = tuned / "study.yaml"
    values = read_yaml(study)
    values["arms"][0]["changes"]["exam.guidance"], values["arms"][1]["changes"]["exam.guidance"] = 1.5, 3
    study.write_text(yaml.safe_dump(values))
    code, said, _ = told("study", "plan", study)
    assert code == 0 and "exam.guidance = 3" in said and "2 pilot seeds" in " ".join(said.split())
    assert told("study", "run", study, "--out", tmp_path / "out", "--runs", tuned / "runs")[0] == 0
    assert len(ledgers(tuned)) == 6, "no pilot's run judges"
    held = json.loads((tmp_path / "out/registration.json").read_text())["plan"]["study"]["tuned"]
    assert set(held["trials"]) == {"draws", "both"} and len(set(held["trials"].values())) == 1
    assert held["seeds"] == [1000, 1001] and held["split"] == "validation"
    page = (tmp_path / "out/report.html").read_text()
    assert f"tuned per arm, {held['trials']['both']} trials each" in page and "<dt>Tuned</dt>" in page
    assert json.loads((tmp_path / "out/both-0/answers/final/exam.json").read_text())["split"] == "test"


def test_what_cannot_be_tuned_is_refused_in_a_sentence(tuned: Path, tmp_path: Path, told) -> None:
    out, study, mine = tmp_path / "out", tmp_path / "study.yaml", tuned.parent / "mine.yaml"
    for words, expected in [
        (("--try", "data.sources.watch/draw.samples_per_step=1,2"), "is what the study asks about"),
        (("--try", "exam.num_drawings=1,2"), "every arm must be asked the same"),
        (("--try", "train.lr=0.001"), "Found 1 trials"),
        (("--try", "train.lr"), "KEY=VALUE"),
    ]:
        code, said, err = told("study", "tune", mine, "--out", out, *words)
        assert (code, said) == (ConfigError.exit_code, "") and expected in " ".join(err.split()) and "Traceback" not in err
    held = read_yaml(tuned / "study.yaml")
    for wrong, expected in [
        ({"split": "test"}, "on the split `test`"),
        ({"seeds": [0, 1]}, "on the seed 0; seeds below 1000"),
        ({"trials": {"draws": 8, "both": 2}}, "unequal or too few trials"),
    ]:
        study.write_text(yaml.safe_dump(held | {"tuned": held["tuned"] | wrong}))
        code, said, err = told("study", "plan", study)
        assert (code, said) == (ConfigError.exit_code, "") and expected in " ".join(err.split()) and "Traceback" not in err
    assert not out.exists()
