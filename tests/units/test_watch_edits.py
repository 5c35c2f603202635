"""Edits of a watch: what an instruction says becomes so and nothing else, within the split; what an edited picture is worth."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields, replace

import pytest

from bothways.core.errors import DataError
from bothways.core.randomness import rng
from bothways.worlds.watch import edits
from bothways.worlds.watch.clock import in_words
from bothways.worlds.watch.config import LEVELS, WatchConfig
from bothways.worlds.watch.edit_marks import marks_of_edit
from bothways.worlds.watch.edit_templates import EDITS, OF_THE_WEATHER
from bothways.worlds.watch.palette import COLORS, CORNERS, WEATHERS
from bothways.worlds.watch.render import render
from bothways.worlds.watch.say import Speaker
from bothways.worlds.watch.scene import Scene, draw_scene, split_of
from bothways.worlds.watch.words import MADE_UP
from bothways.worlds.world import Edit

SCENE = Scene(7, 35, 12, "sunny", 57, "top left", "bottom right", "red", (0.85, 0.14, 0.15))
CHANGES = {  # kind of edit -> the fields that it may change
    "weather": {"weather"},
    "weather_corner": {"weather_corner"},
    "battery_corner": {"battery_corner"},
    "color": {"color", "rgb"},
    "battery": {"battery"},
    "time": {"hour", "minute", "second"},
    "hand": {"hour", "minute", "second"},
}


def speaker(**changes) -> Speaker:
    return Speaker(WatchConfig.parse(changes))


def said(by: Speaker, num: int, split: str = "train", task: str = "editing"):
    for index in range(num):
        scene = draw_scene(by.config, split, index)
        for edit in by.say(scene, task, rng(3, index)).edits:
            yield scene, edit


def changed(before: Scene, after: Scene) -> set[str]:
    return {one.name for one in fields(Scene) if getattr(before, one.name) != getattr(after, one.name)}


def test_a_changed_scene_differs_in_what_was_named_alone():
    after = edits.changed(SCENE, weather="rainy", hour=4, minute=10)
    assert after == replace(SCENE, weather="rainy", hour=4, minute=10)
    assert edits.changed(SCENE, color="blue").rgb == COLORS["blue"]
    assert edits.free_corners(SCENE) == ("top right", "bottom left")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"weather": "sunny"}, "weather sunny already"),
        ({"weather": "suny"}, "Did you mean `sunny`"),
        ({"hour": 12}, "expected 0 to 11"),
        ({"battery": 101}, "expected 0 to 100"),
        ({"weather_corner": "bottom right"}, "is taken; free corners are top right, bottom left"),
        ({"wether": "sunny"}, "Did you mean `weather`"),
    ],
)
def test_a_change_that_leaves_no_scene_or_changes_nothing_is_refused_in_a_sentence(facts, says):
    with pytest.raises(DataError, match=says):
        edits.changed(SCENE, **facts)


def test_a_hand_that_is_not_drawn_cannot_be_moved_and_hour_twelve_is_hour_nought():
    with pytest.raises(DataError, match="no second hand; it has hour, minute"):
        edits.changed(replace(SCENE, hands_shown=("hour", "minute")), second=4)
    with pytest.raises(DataError, match="already"):
        edits.changed(replace(SCENE, hour=12), hour=0)


@pytest.mark.parametrize(
    ("hour", "minute", "words"),
    [
        (4, 10, "ten past four"),
        (4, 0, "four o'clock"),
        (0, 30, "half past twelve"),
        (4, 45, "quarter to five"),
        (11, 35, "twenty five to twelve"),
        (12, 59, "one to one"),
        (3, 20, "twenty past three"),
    ],
)
def test_times_as_people_say_them(hour, minute, words):
    assert in_words(hour, minute) == words


def test_every_time_of_the_dial_has_words_of_its_own():
    assert len({in_words(hour, minute) for hour in range(12) for minute in range(60)}) == 720


def test_every_kind_of_edit_has_at_least_eight_wordings_and_none_holds_a_value():
    assert {kind for kind, wordings in EDITS.items() if len(set(wordings)) < 8} == set()
    values = {*COLORS, *WEATHERS, *MADE_UP, *" ".join(CORNERS).split()}
    for wording in (one for wordings in EDITS.values() for one in wordings):
        assert wording == wording.lower() and len(wording.split()) <= 11
        assert not values & set(re.findall(r"[a-z]+", wording.replace("{", " x"))) and not re.search(r"\d", wording)
    assert set(OF_THE_WEATHER) == set(WEATHERS)


TWO_HANDS = {"hands": ["hour", "minute"], "asked": ["hour", "minute", "weather", "battery", "battery_corner"]}


@pytest.mark.parametrize("changes", [{}, {"dial": TWO_HANDS}, *({"level": level} for level in LEVELS)], ids=str)
def test_an_edit_changes_what_its_kind_says_and_stays_in_its_split(changes):
    by = speaker(**changes)
    for split, least in (("train", 60), ("test", 30), ("composition", 60)):
        found = list(said(by, 60, split))
        # A tenth of all scenes are test scenes, so of a world with few edits a scene may have none that is one.
        assert len(found) >= least
        for before, edit in found:
            differ = changed(before, edit.scene)
            assert differ and differ <= CHANGES[edit.kind], (edit, differ)
            assert differ - {"rgb"} <= set(by.config.difficulty.asked)
            assert split_of(edit.scene) == split_of(before) == split


def test_an_instruction_names_what_becomes():
    by = speaker(dial={"num_weathers": 12})
    seen, spoken = Counter(), 0
    for _, edit in said(by, 700):
        scene, seen[edit.kind] = edit.scene, seen[edit.kind] + 1
        if edit.kind == "weather":
            words = {scene.weather, *(one for one in OF_THE_WEATHER[scene.weather])}
            assert any(word in edit.instruction for word in words), edit
        elif edit.kind == "time":
            long, short = f"{scene.hour:02d}:{scene.minute:02d}:{scene.second:02d}", in_words(scene.hour, scene.minute)
            assert long in edit.instruction or f" {short}." in edit.instruction
            spoken += short in edit.instruction
        else:
            assert str(getattr(scene, edit.kind)) in edit.instruction
    assert set(seen) == set(EDITS) - {"hand"} and min(seen.values()) > 70
    assert 0.2 < spoken / seen["time"] < 0.45


def test_an_exam_has_one_edit_of_each_kind_and_no_task_but_editing_has_any():
    by = speaker()
    for index in range(20):
        scene = draw_scene(by.config, "test", index)
        kinds = [edit.kind for edit in by.say(scene, "exam", rng(0, index)).edits]
        assert len(kinds) == len(set(kinds)) and {"battery", "time"} <= set(kinds)
    assert not any(edit for task in ("understanding", "drawing", "text") for edit in said(by, 20, task=task))


@pytest.mark.parametrize("task", ["understanding", "drawing"])
@pytest.mark.parametrize("attribute", ["weather", "weather_corner", "color", "battery", "hour", "minute"])
def test_what_is_hidden_from_either_task_is_hidden_from_edits(attribute, task):
    by = speaker(hide={"attribute": attribute, "from": task})
    for before, edit in said(by, 150):
        assert attribute not in changed(before, edit.scene), edit
    # Where one icon may go tells where the other is; half a time tells whether the whole is known.
    follow = {"weather_corner": {"weather_corner", "battery_corner"}, "hour": {"time", "hour"}, "minute": {"time", "minute"}}
    assert not {edit.kind for _, edit in said(by, 150)} & follow.get(attribute, {attribute})


@pytest.mark.parametrize("attribute", ["weather", "weather_corner", "battery_corner", "color", "battery", "minute"])
def test_a_hidden_value_is_what_nothing_becomes(attribute):
    value = getattr(SCENE, attribute)
    hidden, openly = speaker(hide={"attribute": attribute, "from": "drawing", "how": "value", "value": value}), speaker()

    def became(by: Speaker) -> int:
        return sum(
            attribute in changed(before, e.scene) and getattr(e.scene, attribute) == value for before, e in said(by, 900)
        )

    assert became(hidden) == 0
    assert became(openly) > 0


def test_weathers_with_made_up_names_go_by_these_and_are_left_alone_where_one_task_misnames_them():
    by = speaker(made_up_names={}, dial={"num_weathers": 12})
    weathers = [edit for _, edit in said(by, 200) if edit.kind == "weather"]
    assert weathers and all(by.vocabulary.weather_words[edit.scene.weather] in edit.instruction for edit in weathers)
    wrong = speaker(made_up_names={"wrong_in": "understanding"})
    assert not [edit for _, edit in said(wrong, 200) if edit.kind == "weather"]


WORLD = WatchConfig(dial={**TWO_HANDS, "large_bar": True, "battery_step": 10}).build()


def marked(wanted: Scene, drawn: Scene, before: Scene = SCENE) -> dict[str, float]:
    seen = WORLD.read(render(drawn, WORLD.config, 64)).to_json()
    return WORLD.edit_marks(WORLD.facts(before), WORLD.facts(wanted), seen)


BEFORE = replace(SCENE, hands_shown=("hour", "minute"), battery=60)
RAIN = replace(BEFORE, weather="rainy")


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ({}, (1, 1, 1, 1)),
        ({"weather": "sunny"}, (0, 1, 1, 1)),
        ({"weather_corner": "top right"}, (1, 0, 1, 1)),
        ({"battery_corner": "bottom left"}, (1, 0, 1, 1)),
        ({"color": "blue", "rgb": COLORS["blue"]}, (1, 0, 1, 1)),
        ({"rgb": (0.75, 0.24, 0.25)}, (1, 1, 1, 1)),
        ({"rgb": (0.65, 0.14, 0.15)}, (1, 0, 1, 1)),
        ({"hour": 2}, (1, 1, 0, 1)),
        ({"battery": 10}, (1, 1, 1, 0)),
    ],
    ids=str,
)
def test_an_edited_picture_is_worth_what_it_shows_of_the_change_and_of_the_rest(drawn, expected):
    names = ("asked", "kept", "time_kept", "battery_kept")
    assert marked(RAIN, replace(RAIN, **drawn), BEFORE) == dict(zip(names, expected, strict=True))


def test_what_is_asked_for_is_not_to_be_kept_too():
    time = replace(BEFORE, hour=4, minute=35)
    assert marked(time, time, BEFORE) == {"asked": 1, "kept": 1, "battery_kept": 1}
    assert marked(time, replace(time, minute=10), BEFORE)["asked"] == 0, "the minute was named too"
    blue = replace(BEFORE, color="blue", rgb=COLORS["blue"])
    assert marked(blue, blue, BEFORE) == {"asked": 1, "kept": 1, "time_kept": 1, "battery_kept": 1}
    moved = replace(BEFORE, battery_corner="top right")
    assert marked(moved, moved, BEFORE)["kept"] == 1 and marked(moved, BEFORE, BEFORE)["asked"] == 0
    full = replace(BEFORE, battery=100)
    assert marked(full, full, BEFORE) == {"asked": 1, "kept": 1, "time_kept": 1}


def test_a_picture_that_cannot_be_read_shows_nothing_and_an_hour_of_twelve_is_kept_as_nought():
    blank = WORLD.read(render(BEFORE, WORLD.config, 64) * 0 + 255).to_json()
    assert set(WORLD.edit_marks(WORLD.facts(BEFORE), WORLD.facts(RAIN), blank).values()) == {0.0}
    noon = replace(BEFORE, hour=12)
    facts = noon.facts() | {"hour": 0}
    assert marks_of_edit(noon.facts(), replace(noon, weather="rainy").facts(), facts | {"weather": "rainy"})["time_kept"] == 1


def test_edits_are_a_function_of_the_generator_alone():
    by = speaker()
    one, same, other = (by.say(SCENE, "editing", rng(1, name)).edits for name in "aab")
    assert isinstance(one[0], Edit) and one == same != other
