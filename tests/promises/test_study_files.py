"""A study in a file, from plan to report, by the commands; stopped half-way, amended, and sharing its runs with another."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from bothways.core.errors import ConfigError, RunError
from bothways.recipes.recipe import load_recipe
from bothways.studies import MADE, STUDIES
from bothways.studies.ladder import ladder
from bothways.study.job import LEDGER
from bothways.study.load import Known, load_study
from bothways.study.plan import plan_of
from conftest import TINY

POOLS = {f"data.sources.watch/{kind}.num_pictures": 6 for kind in ("vqa", "caption", "draw")}
KNOWN = Known(STUDIES, MADE)
FILE = {
    "like": "quickstart",
    "title": "Is this a study?",
    "base_changes": {**{key: yaml.safe_load(str(value)) for key, value in TINY.items()}, "train.threads": 1, **POOLS},
    "comparisons": [
        {
            "name": "reading",
            "question": "Does it read better?",
            "treatment": "unified",
            "control": "understanding",
            "primary": "reading/hands/skill",
        }
    ],
    "gates": [],
}


def written(folder: Path, **more: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(FILE | more))
    return path


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study; its file lies beside it."""
    from bothways.cli.main import main

    folder = tmp_path_factory.mktemp("study")
    assert main(["study", "run", str(written(folder)), "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_a_plan_shows_every_arm_as_a_difference_and_what_it_can_see(tmp_path: Path, told) -> None:
    code, said, _ = told("study", "plan", written(tmp_path), "--seeds", 5, "--set", "train.steps=30")
    assert code == 0 and all(len(line) <= 80 for line in said.splitlines())
    for words in ("Is this a study?", "data.sources.watch/draw.samples_per_step = 0", "train.steps = 30", "seen"):
        assert words in said
    rows = {tuple(line.split()[:3]) for line in said.splitlines()}
    assert {("understanding", "120", "2.1e+09"), ("5", "seeds", "(15")} <= rows, "cost by arm and in all"


def test_the_plan_of_a_shipped_study_shows_its_dial_and_cuts_no_key_short(told) -> None:
    code, said, _ = told("study", "plan", "transfer-where")
    assert code == 0 and "…" not in said and all(len(line) <= 80 for line in said.splitlines())
    assert re.search(r"plotted along +labelled pictures", told("study", "plan", "labels-saved")[1])


def test_any_study_stands_on_another_recipe_or_on_that_of_a_run(trained: Path, tmp_path: Path, told) -> None:
    mine = tmp_path / "short.yaml"
    mine.write_text("base: vq-vq\nname: short\ntrain: {steps: 30}\n")
    for base, steps, named in ((mine, 30, str(mine)), (trained, 2, str(trained / "config.yaml")), ("pico", 400, "pico")):
        planned = plan_of(load_study("labels-saved", KNOWN, base=str(base)))
        assert planned.study.base == named and set(planned.steps.values()) == {steps}
        assert planned.study.reproduce.endswith(f"--base {named}")
    code, said, _ = told("study", "plan", "quickstart", "--base", trained)
    assert code == 0 and "config.yaml" in said.replace("\n", "")


def test_a_study_whose_arms_follow_from_its_base_is_made_anew_over_another_one(tmp_path: Path) -> None:
    weights = {arm.name: arm.changes for arm in load_study("ladder", KNOWN, base="pico").arms}
    assert weights == {arm.name: arm.changes for arm in ladder("pico").arms} != {a.name: a.changes for a in ladder().arms}
    shapes = tmp_path / "shapes.yaml"
    shapes.write_text(yaml.safe_dump(load_recipe("vq-vq", {"world.kind": "shapes"}).to_dict()))
    like = tmp_path / "like.yaml"
    like.write_text(yaml.safe_dump({"like": "ladder-short", "base": str(shapes)}))
    for found in (load_study(str(like), KNOWN), load_study("ladder-short", KNOWN, base=str(shapes))):
        assert "data.sources.shapes/draw.samples_per_step" in found.arms[0].changes and plan_of(found)


def test_a_base_that_a_study_cannot_stand_on_is_refused_in_a_sentence(tmp_path: Path, told) -> None:
    shapes = tmp_path / "shapes.yaml"
    shapes.write_text(yaml.safe_dump(load_recipe("vq-vq", {"world.kind": "shapes"}).to_dict()))
    cases = [
        ("pic0", ConfigError, "Did you mean `pico`"),
        (tmp_path, RunError, "no config.yaml"),
        ("vq-tokenizer", ConfigError, "makes a tokenizer"),
        (shapes, ConfigError, "is a recipe of the world shapes; give a base of the world watch"),
    ]
    for base, error, expected in cases:
        code, said, err = told("study", "plan", "quickstart", "--base", base)
        assert (code, said) == (error.exit_code, "") and expected in " ".join(err.split()) and "Traceback" not in err


def test_the_hash_of_a_plan_changes_with_it(tmp_path: Path, told) -> None:
    def hashed(*words: object) -> str:
        return told("study", "plan", written(tmp_path), *words)[1].strip().splitlines()[-1]

    assert hashed() == hashed() and len({hashed(), hashed("--seeds", 5), hashed("--set", "train.steps=30")}) == 3


def test_a_run_is_registered_first_and_every_run_has_a_name_and_an_address(out: Path) -> None:
    held = json.loads((out / "registration.json").read_text())
    assert held["plan"]["study"]["name"] == "mine" and not (out / "amendments.json").exists()
    for arm in ("understanding", "drawing", "unified"):
        link = out / f"{arm}-0"
        assert link.is_symlink() and link.resolve().parent == (out / "runs").resolve() and (link / "DONE").exists()
        assert held["when"] <= json.loads((link / "provenance.json").read_text())[0]["started"]
    page = (out / "report.html").read_text()
    assert held["hash"] in page and "run as registered" in page and "Not finished" not in page


def test_a_report_is_written_again_from_files_to_the_byte(out: Path, told) -> None:
    before = (out / "report.html").read_bytes()
    assert told("study", "report", out)[0] == 0
    assert (out / "report.html").read_bytes() == before


def test_a_report_finds_runs_whose_links_were_deleted(out: Path, told) -> None:
    page = (out / "report.html").read_bytes()
    (out / "unified-0").unlink()
    assert told("study", "report", out)[0] == 0
    assert (out / "unified-0").is_symlink() and (out / "report.html").read_bytes() == page


def test_a_half_finished_study_reports_what_is_there_and_says_so(out: Path, told) -> None:
    ledger = out / "drawing-0" / LEDGER
    held = ledger.read_bytes()
    try:
        ledger.unlink()
        assert told("study", "report", out)[0] == 0
        page = (out / "report.html").read_text()
        assert "Not finished:</b> drawing is not finished" in page and "Does it read better?" in page
        other = out / "unified-0" / LEDGER
        kept = other.read_bytes()
        other.unlink()
        code, said, err = told("study", "report", out)
        other.write_bytes(kept)
        assert code == RunError.exit_code and not said and "1 of the 3 runs" in err and "Traceback" not in err
    finally:
        ledger.write_bytes(held)
        assert told("study", "report", out)[0] == 0


def test_one_seed_is_told_to_be_too_few_in_the_plan_and_in_the_report(out: Path, told) -> None:
    assert "no verdict but `pilot` and `undecided`" in " ".join(told("study", "plan", out.parent / "mine.yaml")[1].split())
    [verdict] = json.loads((out / "report.json").read_text())["verdicts"]
    assert verdict["label"] == "undecided"
    assert verdict["headline"] in ("undecided at this budget", "undecided: nothing learned yet", "undecided: no room left")


def test_a_run_of_another_recipe_in_a_runs_place_is_refused_by_the_report(out: Path, told) -> None:
    config = (out / "unified-0").resolve() / "config.yaml"
    held = config.read_text()
    config.write_text(yaml.safe_dump({**yaml.safe_load(held), "name": "another"}))
    code, said, err = told("study", "report", out)
    config.write_text(held)
    assert code == RunError.exit_code and not said and "name" in err and "Traceback" not in err


def test_another_plan_is_an_amendment_that_the_report_shows(out: Path, tmp_path: Path, told) -> None:
    file = out.parent / "mine.yaml"
    assert told("study", "plan", file, "--out", out)[0] == 0 and not (out / "amendments.json").exists()
    assert told("study", "plan", written(tmp_path, expectation="Something else."), "--out", out)[0] == 0
    [amended] = json.loads((out / "amendments.json").read_text())
    assert any(line.startswith("expectation: ") for line in amended["changed"])
    assert told("study", "report", out)[0] == 0
    assert "Changed after the registration" in (out / "report.html").read_text()
    (out / "amendments.json").unlink()


def test_studies_that_share_a_folder_of_runs_train_what_they_have_in_common_once(out: Path, tmp_path: Path, told) -> None:
    arms = [{"name": "reads-only", "changes": {"data.sources.watch/draw.samples_per_step": 0}, "draws": False}]
    arms += [{"name": "both"}]
    comparison = {**FILE["comparisons"][0], "treatment": "both", "control": "reads-only"}
    other = written(tmp_path, arms=arms, comparisons=[comparison])
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").glob(f"*/{LEDGER}")}
    assert told("study", "run", other, "--out", tmp_path / "other", "--runs", out / "runs")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").glob(f"*/{LEDGER}")} == before
    assert (tmp_path / "other" / "both-0").resolve() == (out / "unified-0").resolve()


def test_what_is_no_study_is_refused_in_a_sentence(out: Path, tmp_path: Path, told) -> None:
    cases = [
        (("plan", written(tmp_path, armz=[])), ConfigError, "armz"),
        (("plan", tmp_path / "none.yaml"), ConfigError, "none.yaml"),
        (("plan", "quickstrat"), ConfigError, "quickstart"),
        (("report", tmp_path), RunError, "No study is registered"),
        (("run", "labels-saved", "--out", out), RunError, "holds the study `mine`"),
        (("report", out / "unified-0"), RunError, "give the folder that `bothways study run --out` named"),
    ]
    for words, error, expected in cases:
        code, said, err = told("study", *words)
        assert (code, said) == (error.exit_code, ""), words
        assert expected in " ".join(err.split()) and "Traceback" not in err


def test_a_study_that_is_like_itself_is_refused_by_its_circle(tmp_path: Path, told) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(yaml.safe_dump(FILE | {"like": str(second)}))
    second.write_text(yaml.safe_dump(FILE | {"like": str(first)}))
    for like, circle in ((str(second), "first.yaml -> second.yaml -> first.yaml"), (str(first), "first.yaml -> first.yaml")):
        first.write_text(yaml.safe_dump(FILE | {"like": like}))
        code, said, err = told("study", "plan", first)
        assert (code, said) == (ConfigError.exit_code, "") and circle in " ".join(err.split())
    code, _, err = told("study", "plan", written(tmp_path, like=["quickstart"]))
    assert code == ConfigError.exit_code and "expected the name of a study" in " ".join(err.split())


@pytest.mark.parametrize("held", ["{}", "[{}]", "[3]", "3"])
def test_damaged_amendments_are_refused_and_left_as_they_are(held: str, tmp_path: Path, told) -> None:
    assert told("study", "plan", written(tmp_path), "--out", tmp_path / "out")[0] == 0
    path = tmp_path / "out" / "amendments.json"
    path.write_text(held)
    for words in (("report", path.parent), ("plan", written(tmp_path), "--seeds", 2, "--out", path.parent)):
        code, _, err = told("study", *words)
        assert code == RunError.exit_code and "amendments.json holds no registered plan" in " ".join(err.split())
    assert path.read_text() == held


@pytest.mark.parametrize("held", ["[]", "{}", '{"hash": "1", "plan": []}', '{"hash": "1", "plan"'])
def test_a_registration_that_holds_no_plan_is_refused_and_left_as_it_is(held: str, tmp_path: Path, told) -> None:
    path = tmp_path / "out" / "registration.json"
    path.parent.mkdir()
    path.write_text(held)
    for words in (("report", path.parent), ("plan", written(tmp_path), "--out", path.parent)):
        code, _, err = told("study", *words)
        assert code == RunError.exit_code and "registration.json" in err and "Traceback" not in err
    assert [one.name for one in path.parent.iterdir()] == [path.name] and path.read_text() == held


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--runs", "mine.yaml"), "a file stands where a folder is needed"),
        (("--on", "here"), "local-cluster"),
        (("--on", "127.0.0.1:1"), "cannot be reached"),
    ],
)
def test_where_runs_cannot_go_is_said_before_anything_is_written(words: tuple, expected: str, tmp_path: Path, told) -> None:
    if words[1] == "127.0.0.1:1":
        pytest.importorskip("ray")
    file, out = written(tmp_path), tmp_path / "out"
    given = [str(tmp_path / word) if word == file.name else word for word in words]
    code, _, err = told("study", "run", file, "--out", out, *given)
    assert code and expected in " ".join(err.split()) and "Traceback" not in err
    assert not out.exists()


def test_one_seed_of_all_arms_comes_before_the_next_and_what_is_compared_comes_first(tmp_path: Path) -> None:
    from bothways.study.run import jobs_of

    jobs = jobs_of(plan_of(load_study(str(written(tmp_path, seeds=[3, 4])), KNOWN)), tmp_path)
    expected = [f"{arm}-{seed}" for seed in (3, 4) for arm in ("unified", "understanding", "drawing")]
    assert [job.title for job in jobs] == expected and len({job.folder for job in jobs}) == len(jobs)


def test_what_cannot_be_calibrated_is_refused_before_anything_runs(tmp_path: Path, told) -> None:
    cases = [
        ((written(tmp_path), "--try", "train.steps=1"), "a comparison of each skill"),
        (("quickstart", "--try", "train.stepz=1"), "stepz"),
        (("quickstart", "--try", "train.steps"), "KEY=VALUE"),
    ]
    for words, expected in cases:
        code, said, err = told("study", "calibrate", *words, "--out", tmp_path / "pilot", "--seeds", 2)
        assert (code, said) == (ConfigError.exit_code, ""), words
        assert expected in " ".join(err.split()) and "Traceback" not in err
    code, _, err = told("study", "plan", written(tmp_path, seeds=[1000]))
    assert code == ConfigError.exit_code and "for pilots" in " ".join(err.split())
