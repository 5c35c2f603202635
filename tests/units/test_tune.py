"""Every arm gets the same trials, takes its own best, and what is unfair is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from studies import fake_run, small_recipe, small_study

from bothways.core.config import read_yaml
from bothways.core.errors import ConfigError, DataError
from bothways.evaluate.scores import read_scores
from bothways.studies import STUDIES
from bothways.study.job import Job
from bothways.study.pilot import score_of
from bothways.study.plan import plan, plan_of
from bothways.study.study import Study
from bothways.study.trials import trials_of
from bothways.study.tune import Tried, TunedArm, measures_of, tune

LR = "train.lr"
ALONE = {"understanding": {0.001: 0.2, 0.003: 0.6, 0.006: 0.4}, "drawing": {0.001: 0.1, 0.003: 0.3, 0.006: 0.7}}
TOLD = {
    "tried": {LR: [0.001, 0.003]},
    "trials": dict.fromkeys(("understanding", "drawing", "unified"), 2),
    "seeds": [1000, 1001],
}


def knows(job: Job) -> dict[str, float]:
    """How often a stand-in is right: follows from the arm, the rate and, a little, the seed. Both at once: best at 0.003."""
    arm, rate = job.arm.split()[0], job.recipe.train.lr
    share = ALONE[arm][rate] if arm in ALONE else {0.001: 0.3, 0.003: 0.5, 0.006: 0.1}[rate]
    return dict.fromkeys(("hour", "minute"), share + 0.02 * (job.seed - 1000))


class Trainer:
    """Stands in for training and examining; remembers what it was asked for."""

    def __init__(self) -> None:
        self.ran: list[Job] = []

    def __call__(self, jobs: list[Job]) -> None:
        for job in jobs:
            fake_run(job.folder, knows(job), job.arm.split()[0], job.seed, num=24)
            self.ran.append(job)


@pytest.fixture(scope="module")
def tuning(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, TunedArm], Study, Path, Trainer]:
    out, train = tmp_path_factory.mktemp("tuning"), Trainer()
    arms, study = tune(STUDIES.load("quickstart"), {LR: [0.003, 0.001, 0.006]}, out, train, num_seeds=2)
    return {arm.name: arm for arm in arms}, study, out, train


def test_every_arm_runs_the_same_trials_on_the_same_pilot_seeds_and_the_validation_split(tuning):
    _, _, _, train = tuning
    asked = {(job.arm.split()[0], job.seed, job.recipe.train.lr) for job in train.ran}
    arms = ("understanding", "drawing", "unified")
    assert asked == {(a, seed, lr) for a in arms for seed in (1000, 1001) for lr in (0.001, 0.003, 0.006)}
    assert len(train.ran) == len({job.folder for job in train.ran}) == 18
    assert {job.split for job in train.ran} == {"validation"}


def test_an_arm_takes_what_is_best_by_its_own_measures_and_one_that_does_both_by_the_mean_of_both(tuning):
    arms, _, _, train = tuning
    assert {name: arm.chosen.changes[LR] for name, arm in arms.items()} == {
        "understanding": 0.003, "drawing": 0.006, "unified": 0.003,
    }  # fmt: skip
    assert set(arms["understanding"].chosen.values) == {"reading/hands/skill"}
    both = arms["unified"].chosen
    assert set(both.values) == {"reading/hands/skill", "drawing/hands/skill"}
    folders = [job.folder for job in train.ran if job.arm.startswith("unified") and job.recipe.train.lr == 0.003]
    scores = [read_scores(folder)["final"] for folder in folders]
    by_hand = [s[f"{skill}/hands/skill"].value for s in scores for skill in ("reading", "drawing")]
    assert len(by_hand) == 4 and both.score == pytest.approx(sum(by_hand) / 4) and both.sd > 0


def test_the_file_has_every_trial_and_says_where_the_best_is_the_last_value_tried(tuning):
    arms, study, out, _ = tuning
    held = json.loads((out / "tuning.json").read_text())
    assert held["tuned"] == study.tuned.to_dict() and held["tuned"]["split"] == "validation"
    for name, arm in held["arms"].items():
        assert [trial["changes"][LR] for trial in arm["trials"]] == [0.003, 0.001, 0.006]
        assert all((out / "runs" / run).is_dir() for trial in arm["trials"] for run in trial["runs"])
        assert arm["score"] == max(trial["score"] for trial in arm["trials"]) == arms[name].chosen.score
    assert {name: arm["at_the_edge"] for name, arm in held["arms"].items()} == {
        "understanding": {}, "drawing": {LR: "highest"}, "unified": {},
    }  # fmt: skip


def test_the_study_that_comes_of_it_differs_in_the_tuned_key_too_and_judges_on_other_seeds_and_the_test_split(tuning):
    _, study, out, _ = tuning
    written = Study.parse(read_yaml(out / "study.yaml"))
    assert written.tuned == study.tuned and written.split == "test" and written.seeds == (0,) and not written.pilot
    found = plan_of(written)
    [rate] = [one for one in found.differences if one.key == LR]
    assert rate.values == {"understanding": 0.003, "drawing": 0.006, "unified": 0.003}
    assert written.reproduce.endswith(str(out / "study.yaml"))
    other = written.to_dict()
    other["arms"][0]["changes"]["train.clip"] = 0.5
    with pytest.raises(ConfigError, match=r"differ in `train.clip`"):
        plan_of(Study.parse(other))


def test_a_comparison_with_an_axis_of_its_own_allows_what_was_tuned_and_nothing_else():
    reading, drawing = (one.to_dict() for one in small_study().comparisons)
    own = [reading | {"axis": ["data.sources"]}, drawing]
    arms = [arm.to_dict() | {"changes": {**arm.changes, LR: 0.001}} for arm in small_study().arms]
    arms[2]["changes"][LR] = 0.003
    axis = ["data.sources", "model.width"]
    assert plan(small_study(arms=arms, comparisons=own, tuned=TOLD, axis=axis), small_recipe()).study.tuned_keys == (LR,)
    arms[2]["changes"]["model.width"] = 64
    with pytest.raises(ConfigError, match="comparison `reading` does not ask about"):
        plan(small_study(arms=arms, comparisons=own, tuned=TOLD, axis=axis), small_recipe())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"trials": {"understanding": 4, "drawing": 2, "unified": 4}},
            r"unequal or too few trials \(understanding 4, drawing 2",
        ),
        ({"trials": {"understanding": 2, "unified": 2}}, "`drawing` was not tuned and others were"),
        ({"split": "test"}, "tuned on the split `test`"),
        ({"seeds": [1000, 3]}, "tuned on the seed 3; seeds below 1000 judge"),
        ({"tried": {"data.sources.watch/vqa.samples_per_step": [1, 2]}}, "`data.sources` is what the study asks about"),
        ({"tried": {"data": [1, 2]}}, "`data.sources` is what the study asks about"),
        ({"tried": {"train.seed": [1, 2]}}, "`train.seed` is what the study asks about, or a seed"),
        ({"tried": {LR: [0.003, 0.006]}}, "at 0.001, which was not among the values tried"),
    ],
)
def test_a_tuning_that_was_not_fair_is_refused(changes: dict[str, Any], sentence: str):
    arms = [arm.to_dict() | {"changes": {**arm.changes, LR: 0.001}} for arm in small_study().arms]
    small_study(arms=arms, tuned=TOLD)
    with pytest.raises(ConfigError, match=sentence):
        small_study(arms=arms, tuned=TOLD | changes)


def nothing_runs(jobs: list[Job]) -> None:
    raise AssertionError(f"{len(jobs)} runs were started")


@pytest.mark.parametrize(
    ("axes", "more", "sentence"),
    [
        ({}, {}, "at least one key"),
        ({LR: [0.001, 0.001]}, {}, "tried at 0.001 twice"),
        ({LR: [0.001]}, {}, "Found 1 trials"),
        ({LR: [0.001, 0.003]}, {"num_trials": 3}, "Found 3 trials of 2 settings"),
        ({LR: [0.001, 0.003]}, {"num_seeds": 1}, "Found 1 pilot seeds"),
        ({"data.sources.watch/vqa.samples_per_step": [1, 2]}, {}, "is what the study asks about"),
        ({"exam.num_pictures": [1, 2]}, {}, "every arm must be asked the same"),
        ({"world.level": ["glance", "all"]}, {}, "every arm must be asked the same"),
        ({"train.steps": [100, 200]}, {}, "need equal steps"),
        ({"train.lrr": [1, 2]}, {}, "Did you mean `lr`"),
        ({"exam.temperature": [0, -1]}, {}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_tuned_fairly_is_refused_before_anything_runs(axes, more, sentence: str, tmp_path: Path):
    with pytest.raises(ConfigError, match=sentence):
        tune(STUDIES.load("quickstart"), axes, tmp_path / "out", nothing_runs, **more)
    assert not (tmp_path / "out").exists()


def test_arms_need_a_measure_and_measures_a_mean_and_a_study_is_tuned_once(tuning, tmp_path: Path):
    study = small_study()
    reading, drawing = study.comparisons
    with pytest.raises(ConfigError, match="`drawing` takes part in no comparison"):
        measures_of(small_study(comparisons=(reading,)), "drawing")
    nats = drawing.with_changes({"primary": "nll/image_tokens/nats"})
    with pytest.raises(ConfigError, match="which have no common unit"):
        measures_of(small_study(comparisons=(reading, nats)), "unified")
    with pytest.raises(ConfigError, match="tuned already"):
        tune(tuning[1], {"train.clip": [0.5, 1.0]}, tmp_path, nothing_runs)


def test_a_measure_is_taken_from_the_first_exam_that_has_it_and_one_that_none_has_is_named(tmp_path: Path):
    run = fake_run(tmp_path / "run", {"hour": 0.5}, "understanding", num=6, steps=(100,))
    final = read_scores(run)["final"]
    assert score_of(run, "captions/all/f1", "step-000100", "final") == final["captions/all/f1"], "not asked at a checkpoint"
    assert score_of(run, "nll/answers/nats", "step-000100", "final") != final["nll/answers/nats"]
    with pytest.raises(DataError, match="`reading/nothing/skill` was not measured"):
        score_of(run, "reading/nothing/skill", "final")


def test_fewer_trials_than_combinations_are_drawn_the_same_way_every_time():
    axes = {LR: [0.001, 0.003, 0.006], "train.clip": [0.5, 1.0]}
    every, some = trials_of(axes), trials_of(axes, 4)
    assert len(every) == 6 and len(some) == 4 and some == trials_of(axes, 4)
    assert [one for one in every if one in some] == some, "in the order of all of them"


def test_what_is_better_when_lower_is_turned_around_and_of_equals_the_first_is_taken():
    def tried(rate: Any, value: float) -> Tried:
        return Tried({LR: rate}, {"m": (value, value)}, ())

    arm = TunedArm("a", (tried("x", 1.0), tried("y", 2.0), tried("z", 2.0)))
    assert arm.chosen.changes == {LR: "y"} and arm.edges == {}, "names have no edge"
    assert not arm.is_tied and TunedArm("a", (tried(1, 0.0), tried(2, 0.0))).is_tied
    assert TunedArm("a", (tried(2, 3.0), tried(1, 1.0), tried(4, 1.0))).edges == {}
    assert TunedArm("a", (tried(2, 1.0), tried(1, 3.0), tried(4, 1.0))).edges == {LR: "lowest"}
    assert TunedArm("a", (tried(2, 1.0), tried(1, 3.0), tried(4, 3.0))).edges == {}, "nothing says that it is the better one"


def test_losses_are_tuned_downwards(tmp_path: Path):
    values = STUDIES.load("quickstart").to_dict()
    values["arms"] = [arm for arm in values["arms"] if arm["name"] != "drawing"]
    values["comparisons"] = [values["comparisons"][0] | {"primary": "nll/answers/nats"}]
    arms, _ = tune(Study.parse(values), {LR: [0.001, 0.003]}, tmp_path, Trainer(), num_seeds=2)
    for arm in arms:
        nats = {one.changes[LR]: -one.score for one in arm.trials}
        assert all(value > 0 for value in nats.values()) and arm.chosen.changes[LR] == min(nats, key=nats.get)


def test_ways_of_drawing_share_a_run_that_draws_again_and_an_arm_that_draws_nothing_is_examined_once(tmp_path: Path):
    asked: list[Job] = []

    def train(jobs: list[Job]) -> None:
        asked.extend(jobs)
        raise InterruptedError

    study = STUDIES.load("quickstart").with_changes({"base_changes": {"exam.guidance": 1.0, "exam.temperature": 0.0}})
    axes = {LR: [0.001, 0.003], "exam.guidance": [1.0, 2.0], "exam.temperature": [0.0, 0.5]}
    for guidances in ([1.0, 2.0], [4.0, 2.0, 1.0]):  # what was tried before changes no address
        with pytest.raises(InterruptedError):
            tune(study, axes | {"exam.guidance": guidances}, tmp_path, train, num_seeds=2)
    first, again = asked[:12], asked[12:]
    assert len(first) == len(again) == 3 * 2 * 2 and {job.folder for job in first} == {job.folder for job in again}
    assert all(job.recipe.exam.guidance == 1.0 and job.recipe.exam.temperature == 0.0 for job in asked)
    for job in first:
        names = {"guidance-1.0-temperature-0.5", "guidance-2.0-temperature-0.0", "guidance-2.0-temperature-0.5"}
        assert set(job.redrawn) == (set() if job.arm.startswith("understanding") else names)
    assert len(again[0].redrawn) == 5
