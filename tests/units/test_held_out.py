"""One's own held-out items: what is asked, what it is measured against, and which files it leaves."""

import json
from pathlib import Path

import numpy as np
import own_files
import pytest

import tiny
from bothways.core.errors import DataError, RunError
from bothways.core.sample import Sample, Text
from bothways.evaluate.held_out import Frequent, exact_match, token_f1
from bothways.recipes import assemble, own
from bothways.recipes.recipe import Recipe


def recipe(path: Path, **source) -> Recipe:
    mine = {"kind": "llava", "path": str(path), "samples_per_step": 4, "held_out": 0.3} | source
    return Recipe.parse(
        {
            "model": {"given": tiny.VQ, "learned": tiny.VQ, "backbone": tiny.BACKBONE, "max_tokens": 128},
            "data": {"sources": {"my/photos": mine}},
            "train": {"steps": 2, "threads": 1},
            "exam": {"max_text_tokens": 6},
        }
    )


def test_words_are_compared_whatever_their_case_and_punctuation():
    assert exact_match("A red cat.", "a red cat") == 1.0 and exact_match("a cat", "a red cat") == 0.0
    assert token_f1("a red dog", "A red cat!") == pytest.approx(2 / 3)
    assert token_f1("the the", "the") == pytest.approx(2 / 3)
    assert token_f1("", "cat") == 0.0 and token_f1("", "") == 1.0


def test_the_frequent_answer_is_that_to_the_same_question():
    def said(question: str, answer: str) -> Sample:
        return Sample(f"{question}{answer}", (Text(question), Text(answer, learn=True)))

    frequent = Frequent([said("colour?", "red"), said("colour?", "red"), said("colour?", "blue"), *[said("hour?", "2")] * 4])
    assert (frequent.answer("colour?"), frequent.answer("hour?"), frequent.answer("new?")) == ("red", "2", "2")
    assert Frequent([said("a?", "y"), said("a?", "x")]).answer("a?") == "x"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    assemble.train(recipe(own_files.folder(folder / "photos", 12)), folder / "run")
    return folder / "run"


def test_a_run_on_ones_own_data_is_examined_on_what_was_held_out(trained: Path):
    name, sheets = own.evaluate(trained)
    assert name is None and list(sheets) == ["my/photos"]
    scores = sheets["my/photos"].scores
    of_answers = {f"answers/{name}" for name in ("exact_match", "vqa_accuracy", "f1", "cider_d", "nats_per_token")}
    assert set(scores) == of_answers | {"pictures/nats_per_token"}
    assert 0 <= scores["answers/exact_match"].value <= 1 and scores["answers/nats_per_token"].value > 0
    assert scores["answers/exact_match"].chance == 1.0, "all answers are alike, so the most frequent one is right"
    assert "nothing reads" in sheets["my/photos"].exam["not_measured"]
    folder = trained / "held_out" / "my-photos"
    lines = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    drawn = [line for line in lines if line["kind"] == "picture"]
    assert drawn and all((folder / line[what]).is_file() for line in drawn for what in ("image", "truth", "rebuilt"))
    assert drawn[0]["num_tokens"] == 9 and drawn[0]["image"] in (folder / "index.html").read_text()
    assert {line["reference"] for line in lines if line["kind"] == "answer"} == {"red", "Sure, here is the image."}
    facts = json.loads((trained / "provenance.json").read_text())[0]["data"]["my/photos"]
    assert facts["items"] == 24 and facts["trained"] + facts["held_out"] == 24 and facts["bad"] == 0
    assert (trained / "bad_items.jsonl").read_text() == ""


@pytest.mark.parametrize("marks", [False, True], ids=["marks given", "marks learned"])
def test_conversations_of_texts_and_pictures_in_turn_are_trained_and_examined(marks: bool, tmp_path: Path):
    """Given and learned pictures of several turns in one sequence: every answer and every picture is asked for."""
    names = [own_files.picture(tmp_path / f"{number}.png", number).name for number in range(8)]
    turns = ("<image>\nwhich colour?", "red\n<image>\nand\n<image>", "another, beside <image>", "<image>\nso")
    records = [
        {"id": f"talk {n}", "image": [names[(n + k) % 8] for k in range(5)], "conversations": own_files.talk(*turns)}
        for n in range(8)
    ]
    config = recipe(own_files.write(tmp_path, records), held_out=0.1).with_changes({"model.learn_marks": marks})
    assemble.train(config, tmp_path / "run")
    terms = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])["terms"]
    assert set(terms) == {f"my/photos:{duty}" for duty in ("text", "image", *(["mark"] if marks else []))}
    _, sheets = own.evaluate(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/held_out/my-photos/answers.jsonl").read_text().splitlines()]
    items = {line["item"] for line in lines}
    assert len(lines) == 6 * len(items) and sum(line["kind"] == "picture" for line in lines) == 3 * len(items)
    assert {line["reference"] for line in lines if line["kind"] == "answer"} == {"red", "and", "so"}
    assert sheets["my/photos"].scores["pictures/nats_per_token"].value > 0


def test_losses_beside_another_picture_differ_from_those_beside_the_own(trained: Path):
    own.evaluate(trained)
    lines = [json.loads(line) for line in (trained / "held_out" / "my-photos" / "answers.jsonl").read_text().splitlines()]
    read = [line for line in lines if line["reference"] == "red"]
    assert read and all(line["swapped_nll"] is not None for line in read)
    assert not np.allclose([line["nll"] for line in read], [line["swapped_nll"] for line in read])


def test_a_run_resumes_with_its_own_file_alone(trained: Path):
    path = trained.parent / "photos" / "samples.json"
    before = path.read_text()
    path.write_text(before + "\n")
    from bothways.data import items

    items._OPENED.clear()
    with pytest.raises(RunError, match="not the one"):
        assemble.train(recipe(path), trained, resume=True)
    path.write_text(before)


def test_too_many_bad_items_leave_their_list_and_no_run_and_the_next_try_may_use_the_folder(tmp_path: Path):
    path = own_files.folder(tmp_path / "photos", 4)
    (tmp_path / "photos" / "2.png").write_text("no picture")
    out = tmp_path / "run"
    with pytest.raises(DataError, match=r"2 of the 8 items.*All of them: .*bad_items.jsonl"):
        assemble.train(recipe(path), out)
    bad = [json.loads(line) for line in (out / "bad_items.jsonl").read_text().splitlines()]
    assert [one["id"] for one in bad] == ["read 2.png", "5"] and all("not a picture" in one["reason"] for one in bad)
    assert not (out / "config.yaml").exists()
    assemble.train(recipe(path, max_bad_share=0.5), out)
    assert len((out / "bad_items.jsonl").read_text().splitlines()) == 2 and (out / "DONE").exists()


def test_items_that_do_not_fit_the_context_are_bad_with_their_length(tmp_path: Path):
    picture = own_files.picture(tmp_path / "a.png").name
    long = own_files.reading(picture, "word " * 400) | {"id": "long"}
    records = [own_files.reading(picture) | {"id": f"short {n}"} for n in range(4)]
    with pytest.raises(DataError, match=r"1 of the 5 items.*`long`: Sample `my/photos/long` is \d+ tokens long"):
        assemble.train(recipe(own_files.write(tmp_path, [*records, long])), tmp_path / "run")
