"""What is hidden of shapes from a task is nowhere in its texts: not in words, nor in what follows from it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.shapes.palette import COLORS, GROUNDS, KINDS, PLACES, SIZES
from bothways.worlds.shapes.say import Speaker
from bothways.worlds.shapes.scene import Scene, draw_scene
from bothways.worlds.world import Said

ATTRIBUTES = ("kind", "color", "size", "place", "count", "ground")
VALUES = {"kind": "star", "color": "red", "size": "small", "place": "top left", "count": 3, "ground": "navy"}
# What must not stand in any text when all of an attribute is hidden: its words and those of what follows from it.
LINKS = {
    "kind": "|".join(KINDS),
    "color": "|".join(COLORS) + "|same color|share a color",
    "size": "|".join(SIZES) + "|larger|bigger|smaller|big",
    "place": "top|bottom|middle|left|right|above (?!that)|below (?!that)|lower|higher|where",
    "count": r"\d|how many|number|more|fewer|count|outnumber",
    "ground": "|".join(GROUNDS) + "|background|ground",
}
DERIVED = {"larger": "size", "same_color": "color", "same_kind": "kind", "left_of": "place", "above": "place", "more": "count",
           "count_of": "count"}  # fmt: skip
cases = pytest.mark.parametrize("attribute", ATTRIBUTES)
tasks = pytest.mark.parametrize("task", ["understanding", "drawing"])


def speaker(**changes) -> Speaker:
    return Speaker(ShapesConfig.parse(changes))


def hiding(attribute: str, task: str, how: str) -> Speaker:
    value = {"value": VALUES[attribute]} if how == "value" else {}
    return speaker(hide={"attribute": attribute, "from": task, "how": how, **value})


def texts(said: Said) -> list[str]:
    """All of it: questions, answers, captions, what asks for them, requests, tellings, instructions."""
    tellings = (*said.captions, *said.requests, *said.tellings)
    asked = [text for ask in said.questions for text in (ask.question, ask.answer)]
    told = [text for telling in tellings for text in (telling.text, telling.prompt)]
    return [*asked, *told, *(edit.instruction for edit in said.edits)]


def holds(words: str, said: Said) -> bool:
    return any(re.search(rf"(?<![a-z])(?:{words})(?:e?s)?(?![a-z])", text) for text in texts(said))


def scenes(by: Speaker, num: int):
    for index in range(num):
        yield index, draw_scene(by.config, "train", index)


def otherwise(scene: Scene, attribute: str) -> Scene:
    """The scene with other values of one attribute, all else alike; for `place` and `count` see the tests."""
    if attribute == "ground":
        return replace(scene, ground="black" if scene.ground == "white" else "white")
    values = {"kind": KINDS, "color": tuple(COLORS)[:8], "size": SIZES}[attribute]
    turned = [values[(values.index(getattr(one, attribute)) + 1) % len(values)] for one in scene.shapes]
    shapes = [replace(one, **{attribute: value}) for one, value in zip(scene.shapes, turned, strict=True)]
    return replace(scene, shapes=tuple(shapes))


@tasks
@pytest.mark.parametrize("attribute", ["kind", "color", "size", "ground"])
def test_a_hidden_link_cannot_change_a_single_letter_of_its_task(attribute, task):
    by = hiding(attribute, task, "link")
    for index, scene in scenes(by, 120):
        assert by.say(scene, task, rng(5, index)) == by.say(otherwise(scene, attribute), task, rng(5, index))


@tasks
def test_hidden_places_cannot_change_a_single_letter_of_their_task(task):
    by = hiding("place", task, "link")
    for index, scene in scenes(by, 120):
        # Other places in the same order, so that the shapes are listed alike.
        places = sorted(rng(1, index).permutation(len(PLACES))[: scene.count].tolist())
        moved = [replace(one, place=PLACES[at]) for one, at in zip(scene.shapes, places, strict=True)]
        assert by.say(scene, task, rng(5, index)) == by.say(replace(scene, shapes=tuple(moved)), task, rng(5, index))


@cases
@tasks
def test_no_text_of_the_task_holds_a_word_of_a_hidden_link(attribute, task):
    """A search of the letters themselves; edits belong to both tasks, so they hold none either."""
    by, openly = hiding(attribute, task, "link"), speaker()
    found = 0
    for index, scene in scenes(by, 150):
        for of in (task, "editing"):
            said = by.say(scene, of, rng(5, index))
            assert not holds(LINKS[attribute], said), texts(said)
        found += holds(LINKS[attribute], openly.say(scene, task, rng(5, index)))
        assert not {ask.attribute for ask in by.say(scene, task, rng(5, index)).questions} & {
            attribute, *(name for name, of in DERIVED.items() if of == attribute)
        }  # fmt: skip
    assert found > 40  # the search would have found it


@cases
@tasks
def test_no_text_of_the_task_nor_text_alone_holds_a_hidden_value(attribute, task):
    by, openly = hiding(attribute, task, "value"), speaker()
    word = str(VALUES[attribute])
    found = 0
    for index, scene in scenes(by, 200):
        for of in (task, "text", "editing"):
            assert not holds(word, by.say(scene, of, rng(5, index)))
        found += holds(word, openly.say(scene, task, rng(5, index)))
    assert found > 10


@cases
@tasks
def test_the_other_task_text_alone_and_exams_still_have_a_hidden_link(attribute, task):
    by, openly = hiding(attribute, task, "link"), speaker()
    other = "drawing" if task == "understanding" else "understanding"
    for of in (other, "text", "exam"):
        found = 0
        for index, scene in scenes(by, 40):
            said = by.say(scene, of, rng(5, index))
            assert replace(said, edits=()) == replace(openly.say(scene, of, rng(5, index)), edits=())
            found += holds(LINKS[attribute], said)
        assert found


@tasks
def test_shapes_without_the_hidden_value_are_told_as_ever(task):
    by, openly = hiding("color", task, "value"), speaker()
    told = 0
    for _, scene in scenes(by, 200):
        here, there = (one._censor.told(scene, task) for one in (by, openly))
        for one, other in zip(here.objects, there.objects, strict=True):
            assert one == {name: value for name, value in other.items() if value != "red"}
            told += "color" in one
    assert told > 300


def test_kept_labels_are_those_of_the_first_pictures():
    world = ShapesConfig.parse({"hide": {"attribute": "color", "from": "understanding", "keep": 3}}).build()
    scene = draw_scene(world.config, "train", 0)
    openly = speaker().say(scene, "understanding", rng(0))
    assert world.speaking_of(2).say(scene, "understanding", rng(0)) == openly
    assert not holds(LINKS["color"], world.speaking_of(3).say(scene, "understanding", rng(0)))


def test_hiding_what_does_not_exist_is_refused_with_the_nearest_names():
    with pytest.raises(ConfigError, match="Did you mean `red`"):
        speaker(hide={"attribute": "color", "from": "understanding", "how": "value", "value": "redd"})
    with pytest.raises(ConfigError, match="attribute"):
        speaker(hide={"attribute": "weather", "from": "understanding"})
