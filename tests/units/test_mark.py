"""An exam answered into files, and marked from files alone."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from paper_world import EVERY_VALUE, PaperWorld, Student

from bothways.core.config import Config
from bothways.core.errors import RunError
from bothways.data.worlds import exam
from bothways.evaluate.answers import read_answers, write_png
from bothways.evaluate.exam import cut
from bothways.evaluate.harness import answer
from bothways.evaluate.mark import mark
from bothways.evaluate.scores import read_items, read_scores

EXACT, BLIND = {}, dict.fromkeys(EVERY_VALUE, 0.0)


class Greedy(Config):
    temperature: float = 0.0


def sit(run: Path, right: dict[str, float], name: str = "final", num: int = 60, **more) -> Path:
    world = PaperWorld()
    items = cut(exam(world, num_pictures=num), num if name == "final" else 20)
    student = Student(world, items, right, EVERY_VALUE)
    how = {"how": Greedy(), "fill": student.fill, "rebuild": student.rebuild}
    answer(student, world, items, run / "answers" / name, **{**how, **more})
    return run


def test_a_perfect_student_scores_one_and_has_skill_one(tmp_path):
    scores = mark(sit(tmp_path, EXACT)).sheets["final"]
    for attribute in ("hour", "weather", "battery"):
        assert scores[f"reading/{attribute}/accuracy"].value == 1.0
        assert scores[f"reading/{attribute}/skill"].value == pytest.approx(1.0, abs=0.01)
        assert scores[f"drawing/{attribute}/skill"].value == pytest.approx(1.0)
    assert scores["captions/all/f1"].value == pytest.approx(1.0)
    assert scores["captions/all/cider_d"].value == pytest.approx(10.0) and scores["captions/all/cider_d"].chance < 5
    assert scores["answers/all/vqa_accuracy"].value == 1.0 > scores["answers/all/vqa_accuracy"].chance
    assert scores["drawing/gate/accuracy"].value == 1.0
    assert scores["drawing/hour/degrees"].value == 0.0
    assert scores["reading/two_facts/accuracy"].value == 1.0


def test_a_student_who_never_looks_has_skill_zero(tmp_path):
    scores = mark(sit(tmp_path, BLIND, num=400)).sheets["final"]
    for name in ("reading/hour/skill", "reading/weather/skill", "reading/minute/skill", "reading/hands/skill"):
        assert scores[name].value == pytest.approx(0.0, abs=0.02), name
    for name in ("drawing/hands/skill", "drawing/weather/skill", "drawing/weather_corner/skill"):
        score = scores[name]
        assert score.low - 0.1 < 0.0 < score.high + 0.1, name
        assert abs(score.value) < 0.2, name
    assert scores["reading/battery/graded"].random_guess == pytest.approx(0.66, abs=0.02)
    assert scores["reading/battery/graded"].chance == pytest.approx(0.75, abs=0.02)


def test_open_requests_are_scored_apart_and_only_on_what_they_name(tmp_path):
    world = PaperWorld()
    items = cut(exam(world, num_pictures=60), 60, 60, 40)
    student = Student(world, items, {"minute": 0.0, "hour": 0.5}, EVERY_VALUE)
    answer(student, world, items, tmp_path / "answers/final", how=Greedy(), fill=student.fill, rebuild=student.rebuild)
    scores = mark(tmp_path).sheets["final"]
    assert scores["open_drawing/hour/accuracy"].n == 40 and scores["drawing/hour/accuracy"].n == 60
    assert 0.3 < scores["open_drawing/hour/accuracy"].value < 0.8 and scores["open_drawing/hour/accuracy"].ceiling == 1.0
    assert scores["open_drawing/gate/accuracy"].value == 1.0
    assert "open_drawing/minute/accuracy" not in scores and "open_drawing/gate_full/accuracy" not in scores
    assert scores["nll/image_tokens/nats"].n == 60, "no likelihood of one picture, where many fit"


def edited(run: Path, right: dict[str, float], num: int = 40, **more) -> Path:
    """Every other edit is of the weather, every other of the battery."""
    world = PaperWorld()
    items = [item for item in cut(exam(world, num_pictures=num), num, 0, num_edits=num) if item.kind == "edit"]
    student = Student(world, items, right, EVERY_VALUE)
    how = {"how": Greedy(), "fill": student.fill, "rebuild": student.rebuild}
    answer(student, world, items, run / "answers/final", **{**how, **more})
    return run


def test_who_edits_perfectly_scores_the_ceiling_and_the_given_picture_handed_back_scores_nothing(tmp_path):
    scores = mark(edited(tmp_path, EXACT)).sheets["final"]
    for name in ("editing/all/accuracy", "editing/weather/accuracy", "editing/battery/accuracy"):
        score = scores[name]
        assert (score.value, score.ceiling, score.chance, score.skill) == (1.0, 1.0, 0.0, 1.0), name
    assert scores["editing/all/accuracy"].n == scores["editing/all/accuracy"].num_pictures == 40
    assert scores["editing/all/kept"].chance == 1.0 and scores["editing/all/asked"].chance == 0.0
    assert scores["editing/all/battery_kept"].n == scores["editing/weather/battery_kept"].n == 20
    assert not any(name.startswith(("editing/corners", "editing/hands")) for name in scores.scores), "no kinds of edit"
    assert "editing/battery/battery_kept" not in scores and "drawing/weather/accuracy" not in scores
    assert scores["nll/edited_image_tokens/nats"].n == 40 and "nll/image_tokens/nats" not in scores


def test_levels_of_a_world_are_scored_over_the_kinds_of_edit_that_are_their_attributes(tmp_path, monkeypatch):
    monkeypatch.setattr(PaperWorld, "levels", {"glance": ("weather",), "most": ("weather", "battery")})
    scores = mark(edited(tmp_path, {"battery": 0.0})).sheets["final"]
    assert scores["editing/glance/accuracy"].n == 20 and scores["editing/glance/accuracy"].value == 1.0
    assert scores["editing/most/accuracy"].value == scores["editing/all/accuracy"].value < 1.0


def test_an_edit_counts_where_the_change_is_there_and_the_rest_was_kept(tmp_path):
    scores = mark(edited(tmp_path, {"weather_corner": 0.5}, num=200)).sheets["final"]
    asked, kept, both = (scores[f"editing/all/{name}"] for name in ("asked", "kept", "accuracy"))
    assert asked.value == 1.0 and both.value == kept.value == pytest.approx(0.625, abs=0.1) and both.se > 0
    forgetful = mark(edited(tmp_path, {"weather": 0.0, "battery": 0.0}, num=200)).sheets["final"]
    # A third of the weathers are right by luck, and where the battery was to change the weather was to be kept.
    assert forgetful["editing/weather/asked"].value == pytest.approx(1 / 3, abs=0.12)
    assert forgetful["editing/battery/accuracy"].value <= forgetful["editing/battery/kept"].value < 0.5
    assert forgetful["editing/weather/battery_kept"].value < 0.1


def test_the_ceiling_of_an_edit_is_what_is_read_in_the_reconstruction_of_the_picture_wanted(tmp_path):
    def rebuild(pictures, size_px):
        import numpy as np

        pages = [picture.pixels(size_px).copy() for picture in pictures]
        for page in pages[: len(pages) // 4]:
            page[0, 2, 0] = 255
        return np.stack(pages)

    run = edited(tmp_path, EXACT, rebuild=rebuild)
    scores = mark(run).sheets["final"]
    assert scores["editing/all/accuracy"].ceiling == pytest.approx(0.75)
    _, lines = read_answers(run / "answers/final")
    edits = [line for line in lines if line.kind == "edit"]
    assert all((run / "answers/final" / line.wanted).exists() and line.image and line.prompt for line in edits)
    assert [line.kind for line in lines].count("edit_reconstruction") == len(edits) == 40


def test_image_tokens_without_a_likelihood_have_an_error_named_by_the_head_and_a_skill(tmp_path):
    world = PaperWorld()
    items = cut(exam(world, num_pictures=20), 20)
    student = Student(world, items, EXACT, EVERY_VALUE)
    student.head.unit, student.error = "one_minus_cosine", 0.2
    answer(student, world, items, tmp_path / "answers/final", how=Greedy(), fill=student.fill, rebuild=student.rebuild)
    scores = mark(tmp_path).sheets["final"]
    error = scores["tokens/image/one_minus_cosine"]
    assert (error.value, error.chance, error.ceiling, error.higher_is_better) == (pytest.approx(0.2), 0.5, 0.0, False)
    assert error.skill == scores["tokens/image/skill"].value == pytest.approx(0.6)
    assert "nll/image_tokens/nats" not in scores and "nll/answers/nats" in scores


def test_marking_again_from_the_files_alone_gives_the_same_bytes(tmp_path):
    run = sit(tmp_path, {"hour": 0.7, "minute": 0.4, "weather": 0.9})
    mark(run)
    first = (run / "scores.json").read_text()
    (run / "scores.json").unlink()
    (run / "answers/final/items.jsonl").unlink()
    again = mark(run)
    assert (run / "scores.json").read_text() == first
    assert read_scores(run)["final"].scores == again.sheets["final"].scores


def test_a_score_is_the_mean_of_its_item_values_and_its_error_counts_pictures(tmp_path):
    run = sit(tmp_path, {"hour": 0.7, "minute": 0.3, "weather": 0.5, "battery": 0.2})
    scores, items = mark(run).sheets["final"], read_items(run)
    assert set(items) == set(scores.scores)
    for name, score in scores.scores.items():
        assert items[name].values.mean() == pytest.approx(score.value, abs=1e-5), name
        assert len(set(items[name].ids)) == score.n, name
    hands = scores["reading/hands/accuracy"]
    assert (hands.n, hands.num_pictures) == (120, 60)
    both = [scores[f"reading/{name}/accuracy"].value for name in ("hour", "minute")]
    assert hands.value == pytest.approx(sum(both) / 2)


def test_the_standard_error_of_accuracy_is_the_binomial_one_when_each_picture_is_asked_once(tmp_path):
    score = mark(sit(tmp_path, {"weather": 0.5}, num=100)).sheets["final"]["reading/weather/accuracy"]
    assert score.se == pytest.approx(math.sqrt(score.value * (1 - score.value) / 99))


def test_a_drawing_that_cannot_be_read_counts_as_wrong_and_is_told_apart(tmp_path):
    run = sit(tmp_path, EXACT)
    _, lines = read_answers(run / "answers/final")
    blank = PaperWorld().render(PaperWorld().scene("test", 0), 16)
    blank[:] = 255
    spoiled = [line for line in lines if line.kind == "drawing"][:15]
    for line in spoiled:
        write_png(run / "answers/final" / line.image, blank)
    scores = mark(run).sheets["final"]
    assert scores["drawing/weather/accuracy"].value == pytest.approx(0.75)
    assert scores["drawing/weather/unreadable"].value == pytest.approx(0.25)
    assert scores["drawing/hour/skill"].value == pytest.approx(0.75)
    assert scores["drawing/gate/accuracy"].ceiling == 1.0


def test_the_ceiling_is_what_the_reader_gets_from_reconstructions(tmp_path):
    def rebuild(pictures, size_px):
        pages = [picture.pixels(size_px).copy() for picture in pictures]
        for page in pages[: len(pages) // 2]:
            page[0, 2, 0] = 255
        import numpy as np

        return np.stack(pages)

    scores = mark(sit(tmp_path, {"weather": 0.0}, num=64, rebuild=rebuild)).sheets["final"]
    score = scores["drawing/weather/accuracy"]
    assert score.ceiling == pytest.approx(0.5)
    assert score.skill == pytest.approx((score.value - score.chance) / (0.5 - score.chance))
    assert scores["drawing/hour/accuracy"].ceiling == 1.0


def test_a_checkpoints_exam_takes_likelihoods_alone(tmp_path):
    sit(tmp_path, EXACT)
    run = sit(tmp_path, {"hour": 0.5}, name="step-000100", generate=False, fill=None)
    sheets = mark(run).sheets
    assert list(sheets) == ["step-000100", "final"]
    early = sheets["step-000100"]
    assert early["reading/hour/skill"].num_pictures == 20
    assert 0 < early["reading/hour/skill"].value < sheets["final"]["reading/hour/skill"].value
    assert early["nll/image_tokens/nats"].n == 20
    assert not any(name.endswith("accuracy") for name in early.scores)


def test_a_checkpoints_exam_draws_as_much_as_it_is_asked_to_and_answers_nothing(tmp_path):
    sit(tmp_path, EXACT)
    run = sit(tmp_path, {"hour": 0.5}, name="step-000100", generate=False, num_drawn=8)
    early = mark(run).sheets["step-000100"]
    assert early["drawing/hour/skill"].n == 8 and early["drawing/hour/accuracy"].ceiling == 1.0
    assert early["nll/image_tokens/nats"].n == 20 and "reading/hour/accuracy" not in early
    assert set(early.exam["how"]) == {"image"}


def test_captions_may_say_more_than_the_reference_but_not_less(tmp_path):
    run = sit(tmp_path, EXACT, num=10)
    path = run / "answers/final/answers.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in (line for line in lines if line["kind"] == "caption"):
        line["answer"] = ", ".join(line["answer"].split(", ")[:3])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    scores = mark(run).sheets["final"]
    assert scores["captions/all/f1"].value == pytest.approx(2 / 3)
    assert scores["captions/hour/f1"].value == pytest.approx(1.0)
    assert scores["captions/battery/f1"].value == 0.0


def test_missing_or_broken_answers_are_one_sentence(tmp_path):
    with pytest.raises(RunError, match="holds no answers"):
        mark(tmp_path)
    run = sit(tmp_path, EXACT, num=2)
    (run / "answers/final/answers.jsonl").write_text('{"id": ')
    with pytest.raises(RunError, match="Line 1 of"):
        mark(run)
