"""A study whose seeds are trained as one leaves what a study leaves, and reports the same."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from bothways.studies import MADE, STUDIES
from bothways.study.job import LEDGER
from bothways.study.load import Known, load_study
from bothways.study.plan import plan_of
from bothways.study.run import jobs_of
from bothways.study.stack import stacks_of, unstacked
from conftest import TINY

KNOWN = Known(STUDIES, MADE)
ALONE = {"data.sources.watch/draw.samples_per_step": 0}
FILE = {
    "like": "quickstart",
    "title": "Is this a study?",
    "base_changes": {
        **{key: yaml.safe_load(str(value)) for key, value in TINY.items()},
        "train.threads": 1,
        "train.steps": 3,
        **{f"data.sources.watch/{kind}.num_pictures": 6 for kind in ("vqa", "caption", "draw")},
    },
    "arms": [{"name": "reads", "changes": ALONE, "draws": False}, {"name": "both"}],
    "comparisons": [
        {"name": "reading", "question": "Better?", "treatment": "both", "control": "reads", "primary": "reading/hands/skill"}
    ],
    "gates": [],
    "seeds": [0, 1],
}


def written(folder: Path, **more: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(FILE | more))
    return path


def test_seeds_trained_as_one_give_the_report_of_seeds_trained_alone(tmp_path: Path, told) -> None:
    file, pages = written(tmp_path), {}
    for name, more in (("alone", ()), ("stacked", ("--stack", 2))):
        code, _, err = told("study", "run", file, "--out", tmp_path / name, *more)
        assert code == 0, err
        pages[name] = json.loads((tmp_path / name / "report.json").read_text())
    alone, stacked = ({run.name for run in (tmp_path / name / "runs").iterdir()} for name in pages)
    assert alone == stacked  # the same addresses
    for link in ("reads-0", "reads-1", "both-0", "both-1"):
        one, other = (tmp_path / name / link for name in pages)
        files = [{str(path.relative_to(run)) for path in run.rglob("*")} for run in (one.resolve(), other.resolve())]
        assert files[0] == files[1] and LEDGER in files[0]
        ledgers = [json.loads((run / LEDGER).read_text()) for run in (one, other)]
        for ledger in ledgers:
            ledger.pop("seconds")
        assert ledgers[0] == ledgers[1]
    for measure, cells in pages["alone"]["scores"].items():
        assert measure in pages["stacked"]["scores"] and len(cells) == len(pages["stacked"]["scores"][measure])


def test_a_stack_holds_seeds_of_one_arm_and_at_most_as_many_as_asked_for(tmp_path: Path) -> None:
    jobs = jobs_of(plan_of(load_study(str(written(tmp_path, seeds=[0, 1, 2])), KNOWN)), tmp_path)
    titles = [[job.title for job in stack] for stack in stacks_of(jobs, 2)]
    assert titles == [["both-0", "both-1"], ["reads-0", "reads-1"], ["both-2"], ["reads-2"]]
    assert [len(stack) for stack in stacks_of(jobs, 1)] == [1] * 6 and unstacked(jobs, 2) is None


def test_arms_that_cannot_be_stacked_are_named_and_stay_apart(tmp_path: Path) -> None:
    diffusion = {"model.learned": {"kind": "patches", "size_px": 48, "patch_px": 16}, "model.head": {"kind": "diffusion"}}
    base = FILE["base_changes"] | diffusion | {"model.projector.shared": False}
    base = {key: value for key, value in base.items() if not key.startswith("model.learned.")}
    jobs = jobs_of(plan_of(load_study(str(written(tmp_path, base_changes=base)), KNOWN)), tmp_path)
    assert all(len(stack) == 1 for stack in stacks_of(jobs, 2)) and unstacked(jobs, 1) is None
    assert "reads" in unstacked(jobs, 2) and "the head `diffusion`" in unstacked(jobs, 2)


def test_a_stack_whose_run_failed_says_so_in_a_sentence(tmp_path: Path, told) -> None:
    file, out = written(tmp_path), tmp_path / "out"
    assert told("study", "plan", file, "--out", out)[0] == 0
    [folder] = (job.folder for job in jobs_of(plan_of(load_study(str(file), KNOWN)), out) if job.title == "both-1")
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("not a run")
    code, _, err = told("study", "run", file, "--out", out, "--stack", 2)
    assert code and "files that are no run" in " ".join(err.split()) and "Traceback" not in err
