"""A folder of pictures to train a tokenizer on: what is held out, in which order, how it is cut, and what is refused."""

import json
import os

import numpy as np
import own_files
import pytest

import tiny
from bothways.core.errors import ConfigError, DataError
from bothways.data.folder import FolderConfig
from bothways.recipes.recipe import TokenizerRecipe
from bothways.recipes.tokenizers import train_tokenizer


def folder(tmp_path, num: int = 8, **config):
    for number in range(num):
        own_files.picture(tmp_path / "inner" / f"{number}.png", number, (80, 60))
    return FolderConfig.parse({"path": str(tmp_path)} | config).build()


def test_held_out_pictures_are_never_trained_on_and_every_epoch_shows_the_others_once(tmp_path):
    found = folder(tmp_path, held_out=0.3)
    held = {found.picture("validation", index).path for index in range(len(found.held_out))}
    num = 8 - len(held)
    epochs = [[found.picture("train", epoch * num + place).path for place in range(num)] for epoch in range(2)]
    assert held and set(epochs[0]) == set(epochs[1]) and not set(epochs[0]) & held and epochs[0] != epochs[1]
    assert len(folder(tmp_path, held_out=0.001).held_out) == 1


def test_cuts_are_squares_of_the_picture_named_by_their_number(tmp_path):
    found = folder(tmp_path, smallest_cut=0.5)
    one, again, other = (found.picture("train", index).pixels(32) for index in (3, 3, 3 + len(found.train)))
    assert one.shape == (32, 32, 3) and (one == again).all()
    paths = [found.picture("train", 3).path, found.picture("train", 3 + len(found.train)).path]
    assert paths[0] != paths[1] or not np.array_equal(one, other)


def test_a_file_name_that_is_no_utf8_is_a_name_like_any_other(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(own_files.picture(tmp_path / "a.png").read_bytes())
    found = FolderConfig(path=str(tmp_path)).build()
    assert len(found.train) == len(found.held_out) == 1


def test_folders_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        FolderConfig(path=str(tmp_path / "none")).build()
    with pytest.raises(DataError, match="expected two at least"):
        folder(tmp_path, 1)
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(DataError, match=r"1 of the 4 pictures .*broken.png"):
        folder(tmp_path, 3)


def recipe(tmp_path, **changes) -> TokenizerRecipe:
    values = {
        "worlds": {},
        "folders": {"mine": {"path": str(tmp_path / "pictures"), "smallest_cut": 0.5}},
        "shares": {"mine": 1.0},
        "tokenizer": tiny.VQ,
        "training": {"kind": "quantise", "plain_steps": 2},
        "samples_per_step": 4,
        "train": {"steps": 4, "threads": 1},
    }
    return TokenizerRecipe.parse(values | changes)


def test_a_tokenizer_trains_on_a_folder_and_its_card_says_what_it_keeps_of_held_out_pictures(tmp_path):
    folder(tmp_path / "pictures")
    train_tokenizer(recipe(tmp_path), tmp_path / "run")
    card = json.loads((tmp_path / "run" / "tokenizer.json").read_text())["held_out"]["mine"]
    assert card["num_pictures"] >= 1 and 0 < card["of_mean_colour"] < 1 and 0 < card["root_mean_square_error"] < 1
    assert (tmp_path / "run" / "mine.png").exists() and (tmp_path / "run" / "tokenizer.safetensors").exists()


def test_shares_name_every_folder_and_an_objective_that_needs_texts_refuses_folders(tmp_path):
    with pytest.raises(ConfigError, match="shares"):
        recipe(tmp_path, shares={"all": 1.0})
    with pytest.raises(ConfigError, match="needs texts"):
        recipe(tmp_path, training={"kind": "caption"}, tokenizer={"kind": "semantic"})
