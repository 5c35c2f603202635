"""A run that was trained on edits, put to use and examined; and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

import bothways
from bothways.core.errors import DataError

DATA = DataError.exit_code
WORDS = "make it rain."


@pytest.fixture(scope="module")
def model(editing: Path) -> bothways.Model:
    return bothways.load(editing)


def refused(found: tuple[int, str, str], *words: str) -> None:
    """One sentence on standard error, holding all the words; nothing else anywhere."""
    code, out, err = found
    assert code == DATA and "Traceback" not in err and not out, err
    for word in words:
        assert word in " ".join(err.split()), err


def test_an_edit_is_a_picture_that_depends_on_image_instruction_and_seed(model, picture: Path) -> None:
    def drawn(image=picture, text: str = WORDS, seed: int = 1) -> bytes:
        # A model of two steps hardly minds what it is given; guidance brings out what difference there is.
        made = model.edit(image, text, seed=seed, temperature=1.0, guidance=300.0)
        assert made.mode == "RGB" and made.size == (model.size_px, model.size_px)
        return made.tobytes()

    other = np.asarray(Pil.open(picture))[::-1].copy()
    assert drawn() == drawn() and len({drawn(), drawn(seed=2), drawn(image=other), drawn(text="make it blue.")}) == 4
    assert drawn() == drawn(image=Pil.open(picture))


def test_the_command_writes_what_the_method_draws(editing: Path, model, picture: Path, tmp_path: Path, told) -> None:
    out = tmp_path / "edited.png"
    words = ("--image", picture, "--instruction", WORDS, "--out", out, "--seed", 3, "--temperature", 1)
    code, said, _ = told("edit", editing, *words)
    assert code == 0 and str(out) in said and f"{model.size_px} x {model.size_px} px" in said
    assert (np.asarray(Pil.open(out)) == np.asarray(model.edit(picture, WORDS, seed=3, temperature=1.0))).all()
    same_seed = told("edit", editing, "--image", picture, "--instruction", WORDS, "--out", out, "--seed", 3)
    assert "every seed gives the same" in same_seed[2]


def test_an_exam_edits_and_is_marked_again_from_its_files(editing: Path, tmp_path: Path, told) -> None:
    run = Path(shutil.copytree(editing, tmp_path / "run"))
    code, out, _ = told("evaluate", run)
    assert code == 0
    row = next(line for line in out.splitlines() if line.startswith("all "))
    assert (
        "editing" in out and "0.00" in row and "Kept by edits of something else: time" in out and "an edited picture's" in out
    )
    assert max(map(len, out.splitlines()[:20])) <= 110
    lines = [json.loads(line) for line in (run / "answers/final/answers.jsonl").read_text().splitlines()]
    edits = [line for line in lines if line["kind"] == "edit"]
    assert len(edits) == 3 and len({line["picture"] for line in edits}) == 3
    assert all((run / "answers/final" / line[path]).exists() for line in edits for path in ("image", "wanted"))
    before = (run / "scores.json").read_text()
    (run / "scores.json").unlink()
    assert told("mark", run)[0] == 0 and (run / "scores.json").read_text() == before
    code, out, _ = told("evaluate", run, "--num-edits", 0, "--num-drawings", 1)
    assert code == 0 and "editing" not in out


def test_a_run_that_was_not_trained_to_edit_is_not_asked_to(trained: Path, tmp_path: Path, told) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    code, out, _ = told("evaluate", run, "--num-edits", 2)
    assert code == 0 and "editing" not in out


def test_xrays_show_edits_of_both_worlds(told) -> None:
    for world in ("watch", "shapes"):
        words = ("--set", f"world.kind={world}", "--set", f"data.sources.{world}/edit.samples_per_step=1")
        code, out, _ = told("inspect", "vq-vq", "--source", f"{world}/edit", *words)
        assert code == 0 and out.count("<image>") == 2 and "64 of them learned" in out
        told_segments = [line.split()[:2] for line in out.splitlines() if line.startswith("  ")]
        assert told_segments[:3] == [["user", "given"], ["user", "given"], ["assistant", "learned"]]


def test_an_edit_without_a_picture(editing: Path, model, tmp_path: Path, told) -> None:
    refused(told("edit", editing, "--instruction", WORDS, "--out", tmp_path / "a.png"), "--image FILE")
    with pytest.raises(DataError, match="needs the image"):
        model.edit(None, WORDS)
    assert not (tmp_path / "a.png").exists()


def test_an_instruction_that_names_a_second_picture_or_nothing(editing: Path, model, picture: Path, tmp_path, told) -> None:
    words = ("--image", picture, "--out", tmp_path / "a.png", "--instruction")
    refused(told("edit", editing, *words, "make it like <image>."), "<image>", "second picture", "one is given")
    refused(told("edit", editing, *words, "make <image> like <image>."), "second picture")
    refused(told("edit", editing, *words, " "), "instruction is empty")
    refused(told("edit", editing, *words, "make it rain. " * 200), "context holds 160", "shorten")
    with pytest.raises(DataError, match="second picture"):
        model.edit(picture, "<image> make it rain.")
    assert not (tmp_path / "a.png").exists()


def test_a_picture_or_a_name_that_cannot_be_used(editing: Path, picture: Path, tmp_path: Path, told) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("hello")
    out = ("--instruction", WORDS, "--out", tmp_path / "a.png")
    refused(told("edit", editing, "--image", tmp_path / "no.png", *out), "There is no picture")
    refused(told("edit", editing, "--image", broken, *out), "not a picture")
    refused(told("edit", editing, "--image", picture, "--instruction", WORDS, "--out", "a.jpg"), "ends in .png")
