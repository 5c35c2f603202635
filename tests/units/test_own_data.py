"""LLaVA's conversations as a source: what each pattern becomes, what is refused and why, what is held out, in which order."""

import json
import re
from pathlib import Path

import numpy as np
import own_files
import pytest
from own_files import drawing, picture, reading, source, talk, write
from PIL import Image as Pil

from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import Text
from bothways.data.configs import LlavaSourceConfig, MixtureConfig, WorldSourceConfig
from bothways.data.pixels import FilePicture, open_picture


def told(segments) -> list[str]:
    """Segments in a line each: `>` given, `=` learned."""
    shown = [s.content if isinstance(s, Text) else f"<{s.content.path.name}>" for s in segments]
    return [f"{'=' if s.learn else '>'}{text}" for s, text in zip(segments, shown, strict=True)]


def only(tmp_path: Path, record, **config) -> list[str]:
    for number, name in enumerate(("a.png", "b.png")):
        picture(tmp_path / name, number)
    return told(source(write(tmp_path, [record]), **config).item(0).segments)


def reason(tmp_path: Path, record, **config) -> str:
    """Why an item is bad."""
    for number, name in enumerate(("a.png", "b.png")):
        picture(tmp_path / name, number)
    (bad,) = source(write(tmp_path, [record]), **config).bad
    return bad.reason


def test_a_picture_that_is_given_to_be_drawn_from_enters_as_what_draws_too(tmp_path):
    for number, name in enumerate(("a.png", "b.png")):
        picture(tmp_path / name, number)
    edit = {"image": ["a.png", "b.png"], "conversations": talk("<image>\nmake it blue.", "<image>")}
    items = source(write(tmp_path, [edit, reading("a.png")]))
    given, _, drawn = items.item(0).segments
    assert (given.views, drawn.views) == (("given", "learned"), ("given",))
    assert items.item(1).segments[0].views == ("given",)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (reading("a.png"), [">a", ">which colour?", "=red"]),
        (drawing("a.png"), [">Please draw something red.", "=Sure, here is the image.", "=a"]),
        ({"image": "a.png", "conversations": talk("<image> one?", "1", "two?", "2")}, [">a", ">one?", "=1", ">two?", "=2"]),
        (
            {"image": ["a.png", "b.png"], "conversations": talk("<image>\n<image>\nwhich is red?", "the first")},
            [">a", ">b", ">which is red?", "=the first"],
        ),
        (
            {"image": ["a.png", "b.png"], "conversations": talk("<image>\nmake it blue.", "<image>")},
            [">a", ">make it blue.", "=b"],
        ),
        ({"conversations": talk("two and two?", "four")}, [">two and two?", "=four"]),
        (
            {"conversations": [{"from": "system", "value": "be brief"}, *talk("hi", "hello")]},
            [">be brief", ">hi", "=hello"],
        ),
    ],
)
def test_every_pattern_of_conversation_becomes_its_segments(tmp_path, record, expected):
    expected = [f"{line[0]}<{line[1]}.png>" if line[1:] in ("a", "b") else line for line in expected]
    assert only(tmp_path, record) == expected


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (reading("missing.png"), "no picture .*missing.png"),
        ({"image": "a.png", "conversations": talk("what?", "red")}, "hold 0 <image> and its `image` names 1"),
        ({"image": "a.png", "conversations": talk("<image><image>?", "red")}, "hold 2 <image> and its `image` names 1"),
        ({"conversations": talk("<image>?", "red")}, "hold 1 <image> and its `image` names 0"),
        ({"image": 17, "conversations": talk("<image>?", "red")}, "`image` is '17'"),
        ({"image": "a.png"}, "no `conversations`"),
        ({"image": "a.png", "conversations": talk("<image> look")}, "nothing to learn"),
        ({"conversations": talk("what?", "  ")}, "empty"),
        ({"conversations": [{"from": "robot", "value": "hi"}]}, "no `from`"),
        ("text", "it is a text"),
        (reading("../outside.png"), "leads out of"),
        (reading("/etc/passwd"), "leads out of"),
        (reading("x" * 300 + ".png"), "name too long"),
        (reading("a\x00.png"), "no path can hold"),
        (reading("\ud800.png"), "no path can hold"),
        ({"conversations": talk("what?", "\ud800")}, "half a character"),
    ],
)
def test_an_item_that_cannot_be_used_is_told_with_its_reason(tmp_path, record, sentence):
    picture(tmp_path.parent / "outside.png")
    assert re.search(sentence, reason(tmp_path, record), re.IGNORECASE)


def test_a_damaged_picture_makes_its_items_bad_and_no_others(tmp_path):
    whole = picture(tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    found = source(write(tmp_path, [reading("a.png"), reading("cut.png"), reading("text.png")]))
    assert [(bad.index, bad.id) for bad in found.bad] == [(1, "read cut.png"), (2, "read text.png")]
    assert "damaged" in found.bad[0].reason and "not a picture" in found.bad[1].reason


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"items": [], "version": 1}', "JSON object with the keys items, version; expected a list"),
        ("[]", "empty list"),
        ("[1, 2", "not JSON"),
        ('{"a": 1}\n{"a": 2}', "call it .jsonl"),
        ("null", "holds a null"),
    ],
)
def test_a_file_that_is_no_list_of_items_is_refused_in_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "samples.json"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence):
        source(path)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        source(tmp_path / "none.json")
    with pytest.raises(DataError, match="There is no folder"):
        source(own_files.folder(tmp_path), images=str(tmp_path / "none"))
    with pytest.raises(DataError, match="not UTF-8"):
        (tmp_path / "latin.json").write_bytes(b'["\xe4"]')
        source(tmp_path / "latin.json")


def test_jsonl_reads_as_a_list_does_and_a_broken_line_is_one_bad_item(tmp_path):
    picture(tmp_path / "a.png")
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps(reading("a.png")) + "\n\n{broken\n" + json.dumps(drawing("a.png")) + "\n")
    found = source(path)
    assert len(found.items) == 3 and [bad.index for bad in found.bad] == [1]


def test_image_paths_begin_in_the_files_folder_or_in_images(tmp_path):
    picture(tmp_path / "pictures" / "a.png")
    path = write(tmp_path / "texts", [reading("a.png")])
    assert source(path).bad and not source(path, images=str(tmp_path / "pictures")).bad


def test_other_keys_are_ignored_and_counted_and_equal_ids_told_apart(tmp_path):
    picture(tmp_path / "a.png")
    path = write(tmp_path, [reading("a.png", source="web", weight=2), reading("a.png", source="web"), drawing("a.png")])
    found = source(path)
    assert found.items.notices == (f"{path}: keys that were ignored: source (2 items), task (1 items), weight (1 items).",)
    assert [found.items.id(index) for index in range(3)] == ["read a.png", "read a.png#1", "2"]


def test_where_keeps_the_items_whose_keys_have_these_values(tmp_path):
    path = own_files.folder(tmp_path, 3)
    drawn = source(path, where={"task": "generation"})
    assert len(drawn.items) == 3 and all(drawn.item(i).learns_image for i in range(3))
    assert "3 items left out by `where`" in drawn.items.notices[0]
    with pytest.raises(DataError, match=r"no item to train on.*left out by `where`"):
        source(path, where={"task": ["editing"]})


def test_captions_become_requests_and_what_is_no_caption_is_left_out(tmp_path):
    picture(tmp_path / "a.png")
    several = {"image": "a.png", "conversations": talk("<image>one?", "1", "two?", "2")}
    found = source(write(tmp_path, [reading("a.png", "a red thing"), several]), request="draw this: {caption}")
    assert [told(found.item(i).segments) for i in range(len(found.items))] == [[">draw this: a red thing", "=<a.png>"]]
    assert "no captions" in found.items.notices[-1]
    with pytest.raises(ConfigError, match="caption"):
        LlavaSourceConfig.parse({"path": "x", "request": "draw it"})


def test_too_many_bad_items_stop_a_run_in_one_sentence_and_fewer_do_not(tmp_path):
    path = own_files.folder(tmp_path, 4)
    (tmp_path / "3.png").unlink()
    source(path, max_bad_share=0.25).refuse_if_too_bad()
    with pytest.raises(DataError, match=r"2 of the 8 items of `mine` cannot be used \(`read 3.png`: There is no picture"):
        source(path, max_bad_share=0.2).refuse_if_too_bad()


def test_items_longer_than_the_context_are_bad_items_too(tmp_path):
    found = source(own_files.folder(tmp_path, 4))

    def short(sample):
        if sample.id.startswith("mine/read 2.png"):
            raise DataError("it is too long")

    found.keep(short)
    assert [(bad.id, bad.reason) for bad in found.bad] == [("read 2.png", "it is too long")]
    assert 4 not in {*found.train, *found.held_out}


def test_equal_pictures_fall_on_one_side_in_every_source_and_no_held_out_picture_is_trained_on(tmp_path):
    path = own_files.folder(tmp_path, 40)
    read, draw = source(path, "read", held_out=0.3), source(path, "draw", held_out=0.3, where={"task": "generation"})
    names = {
        side: {name for index in getattr(read, side) for name in read.items.picture_names(int(index))}
        for side in ("train", "held_out")
    }
    assert not names["train"] & names["held_out"] and 4 <= len(names["held_out"]) <= 20
    assert {n for i in draw.held_out for n in draw.items.picture_names(int(i))} == names["held_out"]
    other = source(path, "read", seed=1, held_out=0.3)
    assert other.held_out.tolist() != read.held_out.tolist()


def test_a_small_share_holds_out_one_picture_and_none_when_it_is_zero(tmp_path):
    path = own_files.folder(tmp_path, 3)
    assert len(source(path, held_out=0.001).held_out) == 2, "one picture, two items"
    assert not len(source(path, held_out=0.0).held_out)


def test_every_epoch_shows_every_training_item_once_in_an_order_of_its_own(tmp_path):
    path = own_files.folder(tmp_path, 10)
    found = source(path)
    num = len(found.train)
    epochs = [[found.sample(epoch * num + place).id.partition("@")[0] for place in range(num)] for epoch in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(found.item(int(i)).id for i in found.train)
    assert epochs[0] != epochs[1]
    again = source(path)
    assert [again.sample(cursor) for cursor in (0, 7, 30)] == [found.sample(cursor) for cursor in (0, 7, 30)]
    assert [source(path, "other").sample(c).segments for c in range(num)] != [found.sample(c).segments for c in range(num)]


def test_a_source_without_a_kind_is_a_worlds_and_the_two_mix():
    mixture = MixtureConfig.parse(
        {"sources": {"watch/vqa": {"samples_per_step": 3, "num_pictures": 5}, "mine": {"kind": "llava", "path": "x.json"}}}
    )
    world, mine = mixture.sources.values()
    assert isinstance(world, WorldSourceConfig) and isinstance(mine, LlavaSourceConfig)
    assert MixtureConfig.parse(json.loads(json.dumps(mixture.to_dict()))) == mixture
    with pytest.raises(ConfigError, match="llava"):
        MixtureConfig.parse({"sources": {"mine": {"kind": "lava"}}})


ORANGE, BLUE = (250, 160, 0), (0, 0, 200)


def two_halves(width: int = 60, height: int = 40) -> Pil.Image:
    """Left half orange, right half blue."""
    array = np.zeros((height, width, 3), np.uint8)
    array[:, : width // 2], array[:, width // 2 :] = ORANGE, BLUE
    return Pil.fromarray(array)


@pytest.mark.parametrize("mode", ["P", "L", "LA", "RGBA", "1", "CMYK", "I;16"])
def test_pictures_of_every_mode_open_as_three_channels(tmp_path, mode):
    image = two_halves().convert("L") if mode == "I;16" else two_halves().convert(mode, dither=Pil.Dither.NONE)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    (Pil.fromarray(np.asarray(image, np.uint16) * 257) if mode == "I;16" else image).save(path)
    found = open_picture(path)
    assert found.shape == (40, 60, 3) and found.dtype == np.uint8
    assert not (found[20, 10] == found[20, 50]).all(), "the halves differ"


def test_transparency_is_white_and_of_an_animation_the_first_picture_counts(tmp_path):
    clear = two_halves().convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    assert (open_picture(tmp_path / "clear.png") == 255).all()
    two_halves().save(tmp_path / "a.gif", save_all=True, append_images=[Pil.new("RGB", (60, 40), "green")])
    assert np.abs(open_picture(tmp_path / "a.gif")[20, 10].astype(int) - ORANGE).max() < 30


def test_a_picture_taken_sideways_stands_upright(tmp_path):
    exif = Pil.Exif()
    exif[0x0112] = 6  # the right side of what was taken is up: turn a quarter clockwise
    two_halves().save(tmp_path / "a.png", exif=exif)
    found = open_picture(tmp_path / "a.png")
    assert found.shape == (60, 40, 3) and found[10, 20].tolist() == list(ORANGE) and found[50, 20].tolist() == list(BLUE)


def test_fit_says_how_a_picture_becomes_square(tmp_path):
    two_halves(120, 40).save(tmp_path / "a.png")
    made = {fit: FilePicture(tmp_path / "a.png", fit) for fit in ("stretch", "crop", "pad")}
    pixels = {fit: one.pixels(40).astype(int) for fit, one in made.items()}
    assert all(array.shape == (40, 40, 3) for array in pixels.values())
    assert np.abs(pixels["crop"][:, 2] - ORANGE).max() < 9 and np.abs(pixels["stretch"][0, 2] - ORANGE).max() < 9
    assert (pixels["pad"][2] == 255).all() and np.abs(pixels["pad"][20, 2] - ORANGE).max() < 9
    assert len({one.key for one in made.values()}) == 3, "tokens are kept by key"
