"""Agreement of the two readers: counted per attribute, told in reports, and part of no score."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from studies import fake_run, small_study
from test_report import BETTER, WORSE, ledger, runs_of

from bothways.cli.scoreboard import show
from bothways.data.worlds import ExamItem, exam
from bothways.evaluate import mark as marking
from bothways.evaluate.agreement import compared
from bothways.evaluate.answers import Line, write_answers, write_png
from bothways.evaluate.exam import SCALES, cut, sheet
from bothways.evaluate.mark import mark
from bothways.evaluate.scores import Sheet, read_items, read_scores
from bothways.recipes.recipe import load_recipe
from bothways.study.report import write_report
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.world import AbstractWorld, Read, Reading

NANO = load_recipe("vq-vq").world
GATES = ("weather", "weather_corner", "battery_corner", "color")
NUM = 50


def asked_of(world: AbstractWorld) -> list[ExamItem]:
    return [item for item in cut(exam(world, "test", NUM), NUM) if item.kind == "drawing"]


def drawn(run: Path, world: AbstractWorld, pictures: Sequence[np.ndarray]) -> dict[str, Sheet]:
    """Scores of a run that drew these pictures at the exam's requests."""
    items, folder = asked_of(world), run / "answers/final"
    lines = []
    for number, (item, pixels) in enumerate(zip(items, pictures, strict=True)):
        write_png(folder / f"images/{number}.png", pixels)
        kept = {"scene": item.scene, "requested": item.requested, "image": f"images/{number}.png"}
        lines.append(Line(id=item.id, kind="drawing", picture=item.picture, **kept))
    write_answers(folder, sheet(world, items, split="test", size_px=len(pictures[0]), how={}), lines)
    return mark(run).sheets["final"]


def truth(world: AbstractWorld, size_px: int = 64) -> list[np.ndarray]:
    return [item.truth.pixels(size_px) for item in asked_of(world)]


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> tuple[Path, Sheet]:
    run, world = tmp_path_factory.mktemp("clean"), NANO.build()
    return run, drawn(run, world, truth(world))


def test_of_true_pictures_both_readers_see_what_was_requested(clean):
    scores = clean[1]
    for name in NANO.difficulty.asked:
        assert scores[f"agreement/{name}/same"].value >= (0.98 if name in GATES else 0.9), name
        assert scores[f"agreement/{name}/same"].n == NUM
        assert scores[f"agreement/{name}/second_accuracy"].value >= 0.9, name


def test_of_others_pictures_they_agree_as_much_while_accuracy_falls(clean, tmp_path):
    world = NANO.build()
    scores = drawn(tmp_path, world, [*truth(world)[1:], truth(world)[0]])
    for name in GATES:
        assert scores[f"agreement/{name}/same"].value >= 0.98, name
        assert scores[f"agreement/{name}/second_accuracy"].value < 0.6, name
        assert scores[f"drawing/{name}/accuracy"].value < 0.6, name


def test_drawings_erased_to_grey_are_unreadable_for_both(tmp_path):
    world = NANO.build()
    scores = drawn(tmp_path, world, [np.full((64, 64, 3), 100 + at, np.uint8) for at in range(NUM)])
    for name in NANO.difficulty.asked:
        assert scores[f"agreement/{name}/same"].value == 1.0, name
        assert scores[f"agreement/{name}/second_accuracy"].value == 0.0, name
        assert scores[f"drawing/{name}/unreadable"].value == 1.0, name


def test_a_first_reader_that_is_wrong_is_found_out_and_its_score_stays_its_own(tmp_path, monkeypatch):
    world = NANO.build()
    honest = type(world).read

    def misled(self, pixels):
        return Reading({**honest(self, pixels).reads, "weather": Read("sunny", 1.0)})

    monkeypatch.setattr(type(world), "read", misled)
    monkeypatch.setattr(marking, "_SEEN", {})
    scores = drawn(tmp_path, world, truth(world))
    sunny = np.mean([item.scene["weather"] == "sunny" for item in asked_of(world)])
    assert scores["drawing/weather/accuracy"].value == pytest.approx(sunny)
    assert scores["agreement/weather/same"].value == pytest.approx(sunny, abs=0.05)
    assert scores["agreement/weather/second_alone"].value == pytest.approx(1 - sunny, abs=0.05)
    assert scores["agreement/weather/first_alone"].value <= 0.05


def test_no_other_score_depends_on_the_second_reader(clean, tmp_path, monkeypatch):
    monkeypatch.setattr(marking, "why_none", lambda world, size_px: "There is no second reader today.")
    world = NANO.build()
    without = drawn(tmp_path, world, truth(world))
    assert without.scores == {name: score for name, score in clean[1].scores.items() if not name.startswith("agreement/")}
    assert set(read_items(tmp_path)) == {name for name in read_items(clean[0]) if not name.startswith("agreement/")}


def test_every_value_of_a_measure_has_an_id_of_its_own_where_a_request_names_several_objects(tmp_path):
    world = ShapesConfig().build()
    scores = drawn(tmp_path, world, truth(world))
    for name in ("ground", "count", "kind", "color", "size", "place"):
        assert scores[f"agreement/{name}/same"].value >= 0.9, name
    items = read_items(tmp_path)["agreement/kind/same"]
    assert len(set(items.ids)) == len(items.ids) > len(set(items.pictures)) == NUM


def test_what_both_cannot_read_is_the_same_and_twelve_is_nought():
    world = WatchConfig().build()
    wanted = {"hour": 0, "minute": 5, "weather": "sunny"}
    found = compared(world, wanted, {"hour": 12, "minute": None}, {"hour": 0, "minute": None, "weather": "rainy"}, SCALES)
    assert {name: pair.same for name, pair in found.items()} == {"hour": True, "minute": True, "weather": False}


def test_objects_are_compared_with_the_one_requested_whatever_lies_elsewhere():
    red = {"kind": "star", "color": "red", "size": "small", "place": "top"}
    other = {"kind": "star", "color": "red", "size": "large", "place": "left"}
    first, second = {"objects": [red, other], "count": 2}, {"objects": [red], "count": 1}
    found = compared(ShapesConfig().build(), {"objects": [red], "count": 1}, first, second, SCALES)
    assert {name: pair.same for name, pair in found.items()} == {"count": False} | dict.fromkeys(
        ("kind@top", "color@top", "size@top", "place@top"), True
    )


def test_a_report_without_a_second_reader_says_so_in_one_line(tmp_path):
    text = write_report(small_study(), runs_of(tmp_path, num=8), tmp_path, ledger()).read_text()
    assert "There is no second reader for the world `paper_world:PaperConfig`; those of watch and shapes have one." in text
    assert "right alone" not in text


@pytest.fixture
def read_twice(monkeypatch) -> None:
    """The paper world's second reader sees what the first one does, but never the weather."""

    def second(folder, lines, world, size_px):
        seen = marking.readings_of(folder, lines, world)
        return {name: {**reading, "weather": None} for name, reading in seen.items()}

    monkeypatch.setattr(marking, "second_readings_of", second)


def test_a_report_tells_the_agreement_of_every_drawing_arm_over_all_its_runs(tmp_path, read_twice):
    study = small_study(seeds=(0, 1))
    text = write_report(study, runs_of(tmp_path, seeds=(0, 1), num=20), tmp_path, ledger()).read_text()
    section = text[text.index("Readers' agreement") : text.index("<h2>Captions")]
    scores = json.loads((tmp_path / "report.json").read_text())["scores"]
    for arm in ("drawing", "unified"):
        assert scores[arm]["agreement/hour/same"]["value"] == 1.0
        right = scores[arm]["drawing/weather/accuracy"]["value"] * 20 * 2
        assert f"right alone: first {round(right)}, second 0" in section
    assert "agreement/hour/same" not in scores["understanding"]
    assert section.count("1.000") >= 2 * 5


def test_runs_that_were_marked_before_there_was_a_second_reader_still_report(tmp_path, read_twice, monkeypatch):
    runs = runs_of(tmp_path, num=8)
    for folder in (run for each in runs.values() for run in each):
        held = json.loads((folder / "scores.json").read_text())
        final = held["answers"]["final"]
        final["scores"] = [one for one in final["scores"] if not one["name"].startswith("agreement/")]
        (folder / "scores.json").write_text(json.dumps(held))
    monkeypatch.setattr("bothways.evaluate.second.shipped.why_none", lambda world, size_px: None)
    text = write_report(small_study(), runs, tmp_path, ledger()).read_text()
    assert "These drawings were marked before there was a second reader; `bothways mark RUN` has it read them." in text


def test_the_terminal_shows_the_agreement_or_says_why_there_is_none(clean, tmp_path):
    def printed(run: Path) -> str:
        console = Console(width=80, file=io.StringIO())
        show(read_scores(run), run, "final", console)
        return console.file.getvalue()

    told = printed(clean[0])
    table = told[told.index("readers' agreement") :].partition("\n\n")[0]
    assert "first alone" in table and all(name in table for name in NANO.difficulty.asked)
    assert "There is no second reader for the world" in printed(fake_run(tmp_path, BETTER | WORSE, num=8))
