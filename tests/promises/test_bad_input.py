"""Whatever is wrong, a command says what and what to do in a sentence or two, returns a code that is not 0, and shows no
traceback. `--debug` shows it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image as Pil

from bothways.core.errors import ConfigError, DataError, RunError
from bothways.model import checkpoint
from conftest import changes

CONFIG, DATA, RUN = ConfigError.exit_code, DataError.exit_code, RunError.exit_code
USAGE = 2


def refused(found: tuple[int, str, str], code: int, *words: str) -> None:
    """One or two sentences on standard error, holding all the words; nothing else anywhere."""
    exit_code, out, err = found
    assert exit_code == code, err
    assert "Traceback" not in err and not out
    sentence = err.strip().splitlines()[-1]
    assert sentence.startswith("Error: ") and len(sentence) < 500, err
    for word in words:
        assert word in sentence, f"`{word}` is not in: {sentence}"


RECIPES = {
    "unknown recipe": (["vq-vp"], "vq-vp", "Did you mean `vq-vq`"),
    "a YAML file that is missing": (["mine.yaml"], "mine.yaml"),
    "a recipe of another kind": (["vq-tokenizer"], "bothways train-tokenizer"),
    "unknown key": (["vq-vq", "--set", "train.stepz=5"], "stepz", "Did you mean `steps`"),
    "unknown section": (["vq-vq", "--set", "trian.steps=5"], "trian", "Did you mean `train`"),
    "wrong type": (["vq-vq", "--set", "train.steps=many"], "train.steps", "'many'", "integer"),
    "a value where a section is": (["vq-vq", "--set", "train=5"], "train", "dictionary"),
    "a key inside a value": (["vq-vq", "--set", "train=1", "--set", "train.steps=3"], "train.steps", "leave one"),
    "no value": (["vq-vq", "--set", "train.steps"], "KEY=VALUE"),
    "broken YAML": (["vq-vq", "--set", "train.betas=[0.9"], "train.betas=[0.9", "not valid YAML"),
    "negative steps": (["vq-vq", "--set", "train.steps=-5"], "train.steps", "-5", "greater than 0"),
    "negative samples": (["vq-vq", "--set", "data.sources.watch/vqa.samples_per_step=-1"], "-1", "greater than or equal to 0"),
    "a share above 1": (["vq-vq", "--set", "data.drop_condition=7"], "drop_condition", "less than or equal to 1"),
    "unknown part": (
        ["vq-vq", "--set", "model.given.kind=semantik"],
        "visual tokenizer",
        "semantik",
        "Did you mean `semantic`",
        "patches, semantic",
    ),
    "unknown size": (["vq-vq", "--set", "model.backbone.size=nanoo"], "nanoo", "Did you mean `nano`"),
    "more layers for drawing than there are": (
        ["vq-vq", "--set", "model.backbone.drawing_layers=5"],
        "drawing_layers 5",
        "4 layers",
        "at most 4",
    ),
    "fewer layers for drawing than none": (["vq-vq", "--set", "model.backbone.drawing_layers=-1"], "drawing_layers", "-1"),
    "layers for drawing behind a closed gate": (
        ["vq-vq", "--set", "model.backbone.drawing_layers=1", "--set", "model.gate=0"],
        "gate is closed",
        "drawing_layers to 0",
    ),
    "layers for drawing in a family that has none to copy": (
        ["vq-vq", "--set", "model.backbone={family: gemma3_text, drawing_layers: 1}"],
        "gemma3_text",
        "drawing_layers to 0",
    ),
    "heads that do not fit": (["vq-vq", "--set", "model.backbone.num_heads=3"], "128", "3 heads"),
    "unknown level": (["vq-vq", "--set", "world.level=handz"], "handz", "Did you mean `hands`"),
    "a dial beyond its end": (["vq-vq", "--set", "world.dial.num_weathers=99"], "num_weathers", "99", "12"),
    "a kind that is a list": (["vq-vq", "--set", "kind=[1]"], "expected model"),
    "a part's kind that is no name": (["vq-vq", "--set", "world.kind=null"], "None", "expected a name", "shapes"),
    "a part's kind that is a list": (["vq-vq", "--set", "model.head.kind=[1]"], "[1]", "expected a name", "categorical"),
    "an unknown key in a part of a part": (
        ["vq-vq", "--set", "model.given={kind: warped, of: {kind: vq, sise_px: 64}}"],
        "sise_px",
        "Did you mean `size_px`",
    ),
    "an unknown key in a backbone's adapters": (
        ["vq-vq", "--set", "model.backbone.lora.targetz=[x]"],
        "Did you mean `targets`",
    ),
    "a rotation outside its dial": (
        ["vq-vq", "--set", "model.given={kind: warped, rotation: 1.5}"],
        "rotation",
        "1.5",
        "0",
        "1",
    ),
    "a number without end": (["vq-vq", "--set", "model.backbone.lora.alpha=.inf"], "lora.alpha", "inf", "finite"),
    "a name where names belong": (["vq-vq", "--set", "model.frozen=backbone"], "model.frozen", "'backbone'", "a list"),
    "a temperature on a head without a distribution": (
        ["semantic-semantic", "--set", "exam.temperature=1"],
        "regression",
        "temperature",
        "set the temperature to 0",
    ),
    "an attribute to hide that the watch lacks": (
        ["vq-vq", "--set", "world.hide={attribute: colours, from: drawing}"],
        "attribute",
        "colours",
        "weather",
    ),
    "an attribute to hide that shapes lack": (
        ["vq-vq", "--set", "world.kind=shapes", "--set", "world.hide={attribute: weather, from: drawing}"],
        "`hide.attribute`",
        "weather",
        "color",
    ),
    "an unknown key where one is missing": (
        ["vq-vq", "--set", "world.hide={attribute: hour, form: drawing}"],
        "`form`",
        "Did you mean `from`",
    ),
    "labels kept below zero": (["vq-vq", "--set", "world.hide={attribute: hour, from: drawing, keep: -1}"], "keep", "-1"),
    "P1 and not P1": (["vq-vq", "--set", "faithful_to_p1=true", "--set", "exam.guidance=3"], "exam.guidance", "leave one"),
    "P1 of a head that is a number": (["vq-vq", "--set", "faithful_to_p1=true", "--set", "model.head=3"], "model.head", "3"),
    "P1 of sources that are a number": (
        ["vq-vq", "--set", "faithful_to_p1=true", "--set", "data.sources=3"],
        "data.sources",
        "dictionary",
    ),
}


@pytest.mark.parametrize("case", RECIPES)
@pytest.mark.parametrize("command", ["train", "inspect"])
def test_a_recipe_that_cannot_be(case: str, command: str, tmp_path: Path, told) -> None:
    words, *expected = RECIPES[case]
    out = tmp_path / "run"
    refused(told(command, *words, *(["--out", out] if command == "train" else [])), CONFIG, *expected)
    assert not out.exists()


# What needs the parts themselves to be found out.
PARTS = {
    "a size that vq cannot cut": ({"model.given.size_px": 50, "model.learned.size_px": 50}, "50 px", "choose size_px"),
    "a size that the world cannot render": ({"model.given.size_px": 16, "model.learned.size_px": 16}, "16", "48"),
    "patches that do not fit": ({"model.given": "{kind: patches, size_px: 48, patch_px: 7}"}, "48 px", "7 px"),
    "tokens that cannot share a projector": ({"model.given": "{kind: patches, size_px: 48}"}, "model.projector.shared=false"),
    "a tokenizer's weights that are missing": ({"model.given.weights": "nowhere.safetensors"}, "nowhere.safetensors"),
    "no sample in a step": (
        {f"data.sources.watch/{kind}.samples_per_step": 0 for kind in ("vqa", "caption", "draw")}, "empty", "samples_per_step",
    ),
    "a source of another world": ({"data.sources.moon/vqa.samples_per_step": 1}, "moon"),
    "a source of an unknown kind": ({"data.sources.watch/vqaa.samples_per_step": 1}, "vqaa", "Did you mean `vqa`"),
    "a loss term that there is not": ({"train.weights": "{watch/draw:moon: 3}"}, "watch/draw:moon", "watch/draw:image"),
    "an empty path of weights": ({"model.given": "{kind: semantic, weights: ''}"}, "empty path", "asset:NAME"),
    "a folder without a tower": ({"model.given": "{kind: semantic, weights: /}"}, "/config.json", "saved by transformers"),
    "heads that do not fit a tower": ({"model.given": "{kind: semantic, num_heads: 5}"}, "width of 96", "5 heads"),
    "a painter that is none": ({"model.given": "{kind: semantic, painter: asset:vq}"}, "vq.safetensors", "no painter"),
    "settings of a painter that has none": (
        {"model.given": "{kind: semantic, weights: 'asset:semantic', painter: 'asset:semantic-painter', painting: {seed: 1}}"},
        "`direct` paints a picture at once", "leave `painting` out",
    ),
    "a painter of other tokens": (
        {"model.given": "{kind: semantic, weights: 'asset:captioned', painter: 'asset:semantic-painter'}"},
        "semantic-painter", "other weights", "paint noise",
    ),
    "a painter in the model of tokens that need none": ({"model.painter": "{}"}, "`vq` tokens have", "`semantic` tokens"),
    "codes of other tokens": (
        {"model.given": "{kind: codes, weights: 'asset:codes', of: {kind: semantic, weights: 'asset:captioned'}}"},
        "codes", "other weights", "made for these",
    ),
    "codes of codes": ({"model.given": "{kind: codes, of: {kind: vq}}"}, "`vq` makes codes already", "`semantic`"),
    "frozen parts that there are not": ({"model.frozen": "[bckbone]"}, "bckbone", "Did you mean `backbone`"),
    "everything frozen": ({"model.frozen": "[all]"}, "nothing to train", "fewer"),
    "adapters on layers that there are not": ({"model.backbone.lora.targets": "[moon]"}, "moon", "q_proj", "linear"),
    "a family that does not exist": ({"model.backbone.family": "lama"}, "lama", "Did you mean"),
    "a text tokenizer that is missing": ({"model.text": "nowhere.json"}, "nowhere.json"),
}  # fmt: skip


@pytest.mark.parametrize("case", PARTS)
def test_a_model_whose_parts_do_not_fit(case: str, tmp_path: Path, told) -> None:
    changed, *expected = PARTS[case]
    code, out, err = told("train", "vq-vq", "--out", tmp_path / "run", *changes(**changed))
    refused((code, out, err), code or 1, *expected)
    assert code in (CONFIG, DATA)
    assert not (tmp_path / "run").exists()


def test_a_recipe_without_any_source(tmp_path: Path, told) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"model": {"given": {"kind": "vq"}, "learned": {"kind": "vq"}}}))
    refused(told("train", path, "--out", tmp_path / "run"), CONFIG, "empty", "data.sources")
    refused(told("inspect", path), CONFIG, "no sources", "data.sources")


BASES = {
    "vq-vp": "Did you mean `vq-vq`",
    "[vq-vq]": "expected the name",
    "mine.yaml": "end the circle",
    "other.yaml": "mine -> other",
}


@pytest.mark.parametrize("base", BASES)
def test_a_base_that_is_missing_or_a_circle(base: str, tmp_path: Path, told) -> None:
    (tmp_path / "mine.yaml").write_text(f"base: {base}")
    (tmp_path / "other.yaml").write_text("base: mine.yaml")
    refused(told("inspect", tmp_path / "mine.yaml"), CONFIG, BASES[base])


@pytest.mark.parametrize("content", ["data: 3", "data: {sources: 3}", "train: {weights: 3}"])
def test_a_recipe_whose_sections_are_none_on_another_world(content: str, tmp_path: Path, told) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    refused(told("inspect", path, "--set", "world.kind=shapes"), CONFIG, content.partition(":")[0], "3", "dictionary")


def test_a_head_that_does_not_fit_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    for recipe, kind, fits in (("vq-vq", "regression", "categorical"), ("semantic-semantic", "categorical", "regression")):
        program = f"""
import sys
from bothways.cli.main import main
code = main(["train", "{recipe}", "--out", "{tmp_path / "run"}", "--set", "model.head.kind={kind}"])
sys.exit(99 if "torch" in sys.modules else code)"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
        refused((done.returncode, done.stdout, done.stderr), CONFIG, kind, f"heads that fit: {fits}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", ["", "[1, 2]", "a: [", "\x00\x01"])
def test_a_recipe_file_that_is_no_recipe(content: str, tmp_path: Path, told) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    refused(told("inspect", path), CONFIG, str(path))


def test_samples_longer_than_the_context(tmp_path: Path, told) -> None:
    refused(told("train", "vq-vq", "--out", tmp_path / "run", *changes(**{"model.max_tokens": 12})), DATA, "12", "max_tokens")
    assert not (tmp_path / "run").exists()


def test_weights_of_a_tokenizer_that_are_garbage(tmp_path: Path, told) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"garbage" * 100)
    found = told("train", "vq-vq", "--out", tmp_path / "run", *changes(**{"model.given.weights": path}))
    refused(found, CONFIG, str(path), "train-tokenizer")


# Runs ---------------------------------------------------------------------------------------------------------------


def test_a_run_that_is_not_there_or_is_no_run(tmp_path: Path, told, picture: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, word in (("nowhere", "There is no run"), ("file", "is a file"), ("empty", "no config.yaml")):
        path = tmp_path / name
        refused(told("evaluate", path), RUN, str(path), word)
        refused(told("answer", path, "--image", picture, "--question", "what?"), RUN, str(path), word)
    refused(told("mark", tmp_path / "nowhere"), RUN, "nowhere")
    refused(told("mark", tmp_path / "empty"), RUN, "bothways evaluate")


def test_a_run_that_holds_a_tokenizer(copied: Path, told) -> None:
    config = yaml.safe_load((copied / "config.yaml").read_text())
    (copied / "config.yaml").write_text(yaml.safe_dump({"kind": "tokenizer", "name": "x", "train": config["train"]}))
    refused(told("caption", copied, "--image", "x.png"), DATA, "x.png")
    refused(told("evaluate", copied), RUN, "tokenizer")
    refused(told("probe", copied), RUN, "tokenizer")
    refused(told("swap", copied, copied, "--part", "head", "--out", copied.parent / "new"), RUN, "tokenizer")


def test_a_run_whose_config_is_broken(copied: Path, told, picture: Path) -> None:
    for content in ("", "model: 3", "a: [", "model: {given: {kind: vq, sice_px: 3}}"):
        (copied / "config.yaml").write_text(content)
        code, out, err = told("caption", copied, "--image", picture)
        refused((code, out, err), code or 1, "config.yaml" if "sice" not in content else "sice_px")


def test_a_run_without_a_checkpoint(copied: Path, told, picture: Path) -> None:
    shutil.rmtree(copied / "checkpoints")
    refused(told("evaluate", copied), RUN, str(copied), "no checkpoint", "bothways train")
    refused(told("caption", copied, "--image", picture), RUN, "no checkpoint")
    refused(told("probe", copied), RUN, "no checkpoint")


def test_a_step_that_was_not_kept(trained: Path, tmp_path: Path, told) -> None:
    found = told("draw", trained, "--prompt", "x", "--out", tmp_path / "a.png", "--step", 1)
    refused(found, RUN, "no checkpoint of step 1", "0, 2")


def test_weights_that_are_garbage(copied: Path, told, picture: Path) -> None:
    for path in (copied / "checkpoints").glob(f"*/{checkpoint.MODEL}"):
        path.write_bytes(b"garbage" * 100)
    refused(told("caption", copied, "--image", picture), RUN, "damaged", "checksum")
    for state in (copied / "checkpoints").glob(f"*/{checkpoint.STATE}"):
        held = json.loads(state.read_text())
        held["checksums"][checkpoint.MODEL] = checkpoint.checksum(state.parent / checkpoint.MODEL)
        state.write_text(json.dumps(held))
    refused(told("caption", copied, "--image", picture), RUN, "damaged", checkpoint.MODEL)


def test_weights_of_another_model(copied: Path, told, picture: Path) -> None:
    config = yaml.safe_load((copied / "config.yaml").read_text())
    config["model"]["backbone"]["width"] = 64
    (copied / "config.yaml").write_text(yaml.safe_dump(config))
    refused(told("caption", copied, "--image", picture), RUN, "does not fit the model")


def test_answers_that_are_broken(copied: Path, told) -> None:
    lines = copied / "answers/step-000002/answers.jsonl"
    text = lines.read_text()
    lines.write_text(text[: len(text) // 2])
    refused(told("mark", copied), RUN, "answers.jsonl", "not JSON")
    lines.write_text('{"id": 3}\n')
    code, out, err = told("mark", copied)
    refused((code, out, err), code or 1, "answers.jsonl:1")
    lines.write_text("")
    refused(told("mark", copied), RUN, "no answers")


# Studies ------------------------------------------------------------------------------------------------------------


def test_a_budget_that_an_arm_cannot_meet(tmp_path: Path, told) -> None:
    study = tmp_path / "equal.yaml"
    study.write_text("like: quickstart\nmatching: tokens\n")
    refused(told("study", "plan", study), CONFIG, "tokens and understanding", "within 2%", "train.steps=")
    study.write_text("like: quickstart\nmatching: joules\n")
    refused(told("study", "plan", study), CONFIG, "`matching` is 'joules'")


# Output paths -------------------------------------------------------------------------------------------------------


def test_an_output_path_that_is_a_file(trained: Path, tmp_path: Path, told) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    refused(told("train", "vq-vq", "--out", taken, *changes()), RUN, str(taken), "is a file")
    refused(told("train-tokenizer", "text-tokenizer", "--out", taken), RUN, str(taken), "is a file")
    refused(told("quickstart", "--out", taken), RUN, str(taken), "is a file")
    refused(told("make-data", "watch", "--out", taken), DATA, str(taken), "is a file")
    below = told("draw", trained, "--prompt", "x", "--out", taken / "a.png")
    refused(below, RUN, str(taken), "file stands where a folder")
    assert taken.read_text() == "mine"


def test_an_output_folder_that_holds_something(trained: Path, tmp_path: Path, told) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused(told("train", "vq-vq", "--out", tmp_path, *changes()), RUN, "mine.txt", "new or empty folder")
    refused(told("train", "vq-vq", "--out", trained, *changes()), RUN, "--resume")
    refused(told("train", "vq-vq", "--out", trained, "--resume", *changes(**{"train.lr": 0.5})), RUN, "train.lr", "0.5")
    refused(told("make-data", "watch", "--out", tmp_path), DATA, "already holds files")
    refused(told("train", "vq-vq", "--out", tmp_path / "new", "--resume", *changes()), RUN, "no run", "resume")


def test_a_drawing_that_is_no_png_or_a_folder(trained: Path, tmp_path: Path, told) -> None:
    (tmp_path / "folder.png").mkdir()
    refused(told("draw", trained, "--prompt", "x", "--out", tmp_path / "a.jpg"), DATA, "a.jpg", ".png")
    refused(told("draw", trained, "--prompt", "x", "--out", tmp_path / "folder.png"), DATA, "is a folder")


# Pictures -----------------------------------------------------------------------------------------------------------


def header_of(width: int, height: int) -> bytes:
    """A PNG that promises width x height pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def cut_short(path: Path) -> None:
    Pil.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])


PICTURES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "missing": (lambda path: None, ("There is no picture",)),
    "a folder": (lambda path: path.mkdir(), ("is a folder",)),
    "a pipe": (os.mkfifo, ("is a pipe",)),
    "empty": (lambda path: path.write_bytes(b""), ("not a picture",)),
    "text": (lambda path: path.write_text("hello"), ("not a picture",)),
    "cut short": (cut_short, ("damaged or cut short",)),
    "only a header": (lambda path: path.write_bytes(header_of(64, 64)), ("damaged or cut short",)),
    "100 megapixels": (lambda path: path.write_bytes(header_of(10_000, 10_000)), ("100 megapixels", "smaller")),
    "4 gigapixels": (lambda path: path.write_bytes(header_of(65_535, 65_535)), ("megapixels", "smaller")),
}


@pytest.mark.parametrize("case", PICTURES)
def test_a_picture_that_cannot_be_used(case: str, trained: Path, tmp_path: Path, told) -> None:
    make, words = PICTURES[case]
    path = tmp_path / "bad.png"
    make(path)
    refused(told("answer", trained, "--image", path, "--question", "what?"), DATA, str(path), *words)
    refused(told("caption", trained, "--image", path), DATA, str(path), *words)
    refused(told("read", path), DATA, str(path), *words)


def test_one_bad_picture_among_many_does_not_stop_the_others(picture: Path, tmp_path: Path, told) -> None:
    code, out, err = told("read", picture, tmp_path / "missing.png", picture)
    assert code == DATA and len(out.splitlines()) == 2
    assert "missing.png" in err and "Traceback" not in err


def test_a_picture_whose_name_no_disk_can_hold(told) -> None:
    refused(told("read", "x" * 5000 + ".png"), DATA, "xxx", "mend the path")


def test_a_picture_that_is_not_square_for_the_reader(tmp_path: Path, told) -> None:
    path = tmp_path / "wide.png"
    Pil.new("RGB", (64, 48)).save(path)
    refused(told("read", path), DATA, str(path), "64 x 48", "crop")


# Numbers and words --------------------------------------------------------------------------------------------------


def test_zero_images_a_size_that_cannot_be_and_worlds_that_do_not_exist(tmp_path: Path, told) -> None:
    out = tmp_path / "data"
    for number in (0, -3):
        refused(told("make-data", "watch", "--out", out, "--images", number), DATA, f"{number} images", "at least one")
    for size in (0, -64, 47, 513):
        refused(told("make-data", "watch", "--out", out, "--images", 1, "--size", size), CONFIG, str(size), "48")
    refused(told("make-data", "watchh", "--out", out), CONFIG, "watchh", "Did you mean `watch`")
    refused(told("make-data", "watch", "--out", out, "--level", "glanz"), CONFIG, "glanz", "glance")
    assert not out.exists()


def test_text_longer_than_the_context(trained: Path, picture: Path, tmp_path: Path, told) -> None:
    long = "what is the weather? " * 200
    refused(told("answer", trained, "--image", picture, "--question", long), DATA, "context holds 160", "shorten")
    drawn = told("draw", trained, "--prompt", long, "--out", tmp_path / "a.png", "--guidance", 2)
    refused(drawn, DATA, "context holds 160", "shorten")
    assert not (tmp_path / "a.png").exists()


def test_words_that_are_empty_or_no_text(trained: Path, picture: Path, tmp_path: Path, told) -> None:
    refused(told("answer", trained, "--image", picture, "--question", " "), DATA, "question is empty")
    refused(told("draw", trained, "--prompt", "", "--out", tmp_path / "a.png"), DATA, "prompt is empty")
    broken = b"\xff weather".decode(errors="surrogateescape")
    refused(told("answer", trained, "--image", picture, "--question", broken), DATA, "text")


@pytest.mark.parametrize("words", [["--temperature", "inf"], ["--guidance", "inf"]])
def test_numbers_that_are_none(words: list[str], trained: Path, tmp_path: Path, told) -> None:
    refused(told("draw", trained, "--prompt", "x", "--out", tmp_path / "a.png", *words), CONFIG, "finite")


def test_the_best_of_drawings_that_are_all_the_same_is_refused(trained: Path, tmp_path: Path, told):
    drawing = told("draw", trained, "--prompt", "x", "--out", tmp_path / "a.png", "--best-of", 2)
    refused(drawing, CONFIG, "best_of 2", "temperature above 0")


WRONG_USAGE = [
    ["trian"],
    ["train"],
    ["train", "vq-vq"],
    ["draw", "run", "--prompt", "x", "--out", "a.png", "--seed", "one"],
    ["draw", "run", "--prompt", "x", "--out", "a.png", "--temperature", "-1"],
    ["draw", "run", "--prompt", "x", "--out", "a.png", "--temperature", "nan"],
    ["draw", "run", "--prompt", "x", "--out", "a.png", "--top-k", "-1"],
    ["draw", "run", "--prompt", "x", "--out", "a.png", "--step", "-1"],
    ["draw", "run", "--prompt", "x", "--out", "a.png", "--best-of", "0"],
    ["evaluate", "run", "--split", "train"],
    ["evaluate", "run", "--num-pictures", "0"],
    ["quickstart", "--seeds", "0"],
    ["inspect", "vq-vq", "--num", "0"],
    ["read"],
    ["recipes", "--nonsense"],
]


@pytest.mark.parametrize("words", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_is_told_with_the_usage(words: list[str], told) -> None:
    code, out, err = told(*words)
    assert code == USAGE and "Traceback" not in err and not out
    assert "Error" in err and "--help" in err


def test_an_unknown_source_names_the_nearest(told) -> None:
    refused(told("inspect", "vq-vq", "--source", "watch/drow"), CONFIG, "Did you mean `watch/draw`")


# Errors that nobody foresaw -----------------------------------------------------------------------------------------


def broken(error: BaseException) -> Callable[..., None]:
    def build(*_: object, **__: object) -> None:
        raise error

    return build


UNFORESEEN = {
    "a bug": (ZeroDivisionError("division by zero"), 70, ("bug in bothways", "ZeroDivisionError", "--debug")),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device", "x"), 74, ("disk is full", "free some space")),
    "another error of the system": (OSError(errno.EIO, "Input/output error", "x.png"), 74, ("x.png", "Input/output error")),
    "no memory": (MemoryError(), 74, ("not enough memory", "smaller")),
    "no memory, says torch": (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 74, ("not enough memory",)),
}


@pytest.mark.parametrize("case", UNFORESEEN)
def test_what_nobody_foresaw_is_one_sentence_too(case: str, told, monkeypatch: pytest.MonkeyPatch) -> None:
    error, code, words = UNFORESEEN[case]
    monkeypatch.setattr("bothways.recipes.read.names", broken(error))
    refused(told("recipes"), code, *words)
    found = told("recipes", "--debug")
    assert found[0] == code and "Traceback" in found[2]


def test_ctrl_c_ends_with_130(told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bothways.recipes.read.names", broken(KeyboardInterrupt()))
    refused(told("recipes"), 130, "Ctrl-C")


def test_a_terminal_without_unicode_gets_question_marks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bothways.cli.main", "inspect", "vq-vq", "--source", "watch/draw"],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        timeout=600,
    )
    assert done.returncode == 0 and b"duty" in done.stdout, done.stderr


def test_a_real_process_ends_with_the_code_and_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bothways.cli.main", "read", str(tmp_path / "no.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == DATA and done.stdout == ""
    assert "There is no picture" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_real_process_shows_the_traceback_on_request() -> None:
    command = [sys.executable, "-m", "bothways.cli.main", "inspect", "nothing", "--debug"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == CONFIG and "Traceback" in done.stderr and "Unknown recipe `nothing`" in done.stderr
