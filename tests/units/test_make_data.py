"""A data set on disk in LLaVA's format: what is in it, and what stops it from being written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from bothways.core.errors import BothwaysError, ConfigError, DataError, RunError
from bothways.data import llava
from bothways.data.llava import make_data
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.world import WatchWorld

KEYS = ["image", "hour", "minute", "second", "weather", "battery", "weather_corner", "battery_corner", "color"]


def world(**changes) -> WatchWorld:
    return WatchWorld(WatchConfig.parse(changes))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("data") / "watch"
    make_data(world(), out, num_images=6, size_px=64, seed=4)
    return out


def read(out: Path) -> tuple[list[dict], list[dict]]:
    samples = json.loads((out / "samples.json").read_text())
    return samples, [json.loads(line) for line in (out / "scenes.jsonl").read_text().splitlines()]


def test_it_holds_pictures_samples_and_scenes(made):
    samples, scenes = read(made)
    assert sorted(path.name for path in made.iterdir()) == ["images", "samples.json", "scenes.jsonl"]
    assert [list(scene) for scene in scenes] == [KEYS] * 6
    assert len(samples) == 18
    assert len({sample["id"] for sample in samples}) == 18
    assert {sample["image"] for sample in samples} == {scene["image"] for scene in scenes}
    for scene in scenes:
        with Pil.open(made / scene["image"]) as image:
            assert image.size == (64, 64) and image.mode == "RGB"


def test_the_mark_of_a_picture_stands_with_whoever_shows_it(made):
    samples, _ = read(made)
    for sample in samples:
        assert set(sample) == {"id", "image", "task", "conversations"}
        turns = sample["conversations"]
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        marks = [turn["from"] for turn in turns for _ in range(turn["value"].count("<image>"))]
        assert marks == (["gpt"] if sample["task"] == "draw" else ["human"])
        assert all(turn["value"].strip() for turn in turns)
    vqa = next(sample for sample in samples if sample["task"] == "vqa")
    assert vqa["conversations"][0]["value"].startswith("<image>\n")
    assert {sample["task"] for sample in samples} == {"vqa", "caption", "draw"}


def test_captions_and_requests_tell_what_the_scene_says(made):
    samples, scenes = read(made)
    facts = {scene["image"]: scene for scene in scenes}
    for sample in samples:
        if sample["task"] != "vqa":
            text = sample["conversations"][0 if sample["task"] == "draw" else 1]["value"]
            heard = world().hear(text)
            assert heard and heard == {name: facts[sample["image"]][name] for name in heard}


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(made, tmp_path):
    make_data(world(), tmp_path / "same", num_images=6, size_px=64, seed=4)
    make_data(world(), tmp_path / "other", num_images=6, size_px=64, seed=5)
    for name in ("samples.json", "scenes.jsonl", "images/000003.png"):
        assert (made / name).read_bytes() == (tmp_path / "same" / name).read_bytes()
        assert (made / name).read_bytes() != (tmp_path / "other" / name).read_bytes()


def test_hands_that_are_not_drawn_are_null(tmp_path):
    make_data(world(level="hands"), tmp_path / "out", num_images=2, size_px=48, seed=0)
    assert all(scene["second"] is None for scene in read(tmp_path / "out")[1])


def test_a_hidden_attribute_stays_hidden(tmp_path):
    hidden = world(hide={"attribute": "color", "from": "understanding"})
    make_data(hidden, tmp_path / "out", num_images=20, size_px=48, seed=0)
    for sample in read(tmp_path / "out")[0]:
        text = " ".join(turn["value"] for turn in sample["conversations"])
        assert ("color" in hidden.hear(text)) == (sample["task"] == "draw")


def test_samples_of_text_alone_come_on_request_and_name_no_picture(tmp_path):
    make_data(world(), tmp_path / "out", num_images=2, size_px=48, seed=0, kinds=("vqa", "text"))
    samples, scenes = read(tmp_path / "out")
    assert [("image" in sample, sample["task"]) for sample in samples] == [(True, "vqa"), (False, "text")] * 2
    assert len(scenes) == 2
    assert "<image>" not in json.dumps([sample for sample in samples if sample["task"] == "text"])


@pytest.mark.parametrize("num", [0, -3])
def test_zero_images_are_refused(tmp_path, num):
    with pytest.raises(DataError, match="at least one"):
        make_data(world(), tmp_path / "out", num, 64, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size_px", [0, 7, 10_000])
def test_a_size_that_cannot_be_drawn_is_refused(tmp_path, size_px):
    with pytest.raises(ConfigError):
        make_data(world(), tmp_path / "out", 1, size_px, 0)
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_taken_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(DataError, match="is a file"):
        make_data(world(), file, 1, 64, 0)
    with pytest.raises(DataError, match="already holds files"):
        make_data(world(), tmp_path, 1, 64, 0)
    with pytest.raises(RunError, match="a file stands where a folder is needed"):
        make_data(world(), file / "below", 1, 64, 0)
    assert file.read_text() == "mine" and list(tmp_path.iterdir()) == [file]


def test_an_empty_folder_is_filled(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    make_data(world(), out, 1, 64, 0)
    assert len(read(out)[0]) == 3


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(llava, "write_atomic", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_data(world(), tmp_path / "out", 2, 64, 0)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Pil.Image, "save", full)
    with pytest.raises(BothwaysError, match="disk is full"):
        make_data(world(), tmp_path / "out", 1, 64, 0)
    assert not list(tmp_path.iterdir())


def test_pictures_are_the_world_s_own_renderings(made):
    _, scenes = read(made)
    by = world()
    with Pil.open(made / scenes[0]["image"]) as image:
        pixels = np.asarray(image)
    source = llava.WorldSource(by, "draw", num_pictures=6, pool="make-data", seed=4)
    assert np.array_equal(pixels, by.render(source.picture(0).scene, 64))
