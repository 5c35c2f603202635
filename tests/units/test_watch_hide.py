"""What is hidden from a task is nowhere in its texts: not in words, not in what follows from it, not in any choice."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.worlds.watch.config import ATTRIBUTES, WatchConfig
from bothways.worlds.watch.facts import TWO_FACTS
from bothways.worlds.watch.palette import CORNERS
from bothways.worlds.watch.say import Speaker
from bothways.worlds.watch.scene import Scene, draw_scene
from bothways.worlds.world import Said

VALUES = {
    "hour": 7,
    "minute": 35,
    "second": 12,
    "weather": "rainy",
    "battery": 57,
    "weather_corner": "top left",
    "battery_corner": "bottom right",
    "color": "red",
}
DERIVED = {"time": ("hour", "minute", "second")} | {name: fact.needs for name, fact in TWO_FACTS.items()}
cases = pytest.mark.parametrize("attribute", ATTRIBUTES)
tasks = pytest.mark.parametrize("task", ["understanding", "drawing"])


def speaker(**changes) -> Speaker:
    return Speaker(WatchConfig.parse(changes))


def hiding(attribute: str, task: str, how: str, **changes) -> Speaker:
    value = {"value": VALUES[attribute]} if how == "value" else {}
    return speaker(hide={"attribute": attribute, "from": task, "how": how, **value}, **changes)


def texts(said: Said) -> list[str]:
    """All of it: questions, answers, captions, what asks for them, requests, tellings, instructions."""
    tellings = (*said.captions, *said.requests, *said.tellings)
    asked = [text for ask in said.questions for text in (ask.question, ask.answer)]
    told = [text for telling in tellings for text in (telling.text, telling.prompt)]
    return [*asked, *told, *(edit.instruction for edit in said.edits)]


def holds(pattern: str, said: Said) -> bool:
    """Whether any clause of any text matches; a question and its answer count as one text."""
    asked = [f"{ask.question} {ask.answer}" for ask in said.questions]
    clauses = [clause for text in texts(said) for clause in re.split(r"[,.?] ?| and ", text)]
    return any(re.search(pattern, piece) for piece in (*asked, *clauses))


def scenes(by: Speaker, num: int, **facts):
    for index in range(num):
        yield index, replace(draw_scene(by.config, "train", index), **facts)


def different(scene: Scene, attribute: str, by: Speaker) -> Scene:
    """The scene with another value of one attribute, whatever the other facts are."""
    values = [value for value in by.vocabulary.values[attribute] if value != getattr(scene, attribute)]
    return replace(scene, **{attribute: values[len(values) // 2]})


def mentions(by: Speaker, said: Said) -> set[str]:
    """Attributes that the texts ask for, state, or that hearing finds in them."""
    found = {ask.attribute for ask in said.questions}
    for telling in (*said.captions, *said.requests, *said.tellings):
        found |= set(telling.states) | set(by.hear(telling.text))
    return found | {need for name in found if name in DERIVED for need in DERIVED[name]}


@cases
@tasks
def test_a_hidden_link_cannot_change_a_single_letter_of_its_task(attribute, task):
    by = hiding(attribute, task, "link")
    for index, scene in scenes(by, 150):
        said = by.say(scene, task, rng(5, index))
        assert said == by.say(different(scene, attribute, by), task, rng(5, index))
        assert attribute not in mentions(by, said)


@cases
@tasks
def test_the_other_task_and_text_alone_still_have_a_hidden_link(attribute, task):
    by, open_world = hiding(attribute, task, "link"), speaker()
    other = "drawing" if task == "understanding" else "understanding"
    for told in (other, "text", "exam"):
        found = set()
        for index, scene in scenes(by, 40):
            said = by.say(scene, told, rng(5, index))
            assert said == open_world.say(scene, told, rng(5, index))
            found |= mentions(by, said)
        assert attribute in found


@cases
@tasks
@pytest.mark.parametrize("how", ["link", "value"])
def test_no_text_of_the_task_holds_the_hidden_words(attribute, task, how):
    """A search of the letters themselves, on scenes that show the value and on others."""
    words = {
        "hour": r"\b07:35|\bhour\b[a-z ?.]* 7\b",
        "minute": r":35:|\bminute\b[a-z ?.]* 35\b",
        "second": r":\d\d:12\b|\bsecond\b[a-z ?.]* 12\b",
        "weather": r"rainy",
        "battery": r"\b57\b",
        "weather_corner": r"(?:weather|icon|rainy)[a-z ?.]* top left|top left (?:weather|icon|is)",
        "battery_corner": r"(?:battery|%)[a-z ?.]* bottom right|bottom right battery",
        "color": r"\bred\b",
    }
    others = {name: value for name, value in VALUES.items() if name != attribute}
    if attribute.endswith("_corner"):
        del others["battery_corner" if attribute == "weather_corner" else "weather_corner"]
    by, open_world = hiding(attribute, task, how), speaker()
    hidden, openly = 0, 0
    for index in range(300):
        scene = replace(draw_scene(by.config, "train", index), **others)
        if index % 2:
            scene = replace(scene, **VALUES)
        hidden += holds(words[attribute], by.say(scene, task, rng(5, index)))
        openly += holds(words[attribute], open_world.say(scene, task, rng(5, index)))
    assert hidden == 0
    assert openly > 20  # the search would have found it


@cases
@tasks
def test_a_hidden_value_is_as_silent_as_a_hidden_link(attribute, task):
    by, silent = hiding(attribute, task, "value"), hiding(attribute, task, "link")
    for index, scene in scenes(by, 100, **VALUES):
        assert by.say(scene, task, rng(5, index)) == silent.say(scene, task, rng(5, index))
        assert attribute not in mentions(by, by.say(scene, "text", rng(5, index)))


@cases
@tasks
def test_all_other_values_are_told_as_ever(attribute, task):
    by, open_world = hiding(attribute, task, "value"), speaker()
    found = set()
    for index, scene in scenes(by, 60):
        if getattr(scene, attribute) != VALUES[attribute]:
            said = by.say(scene, task, rng(5, index))
            assert said == open_world.say(scene, task, rng(5, index))
            found |= mentions(by, said)
    assert attribute in found


@pytest.mark.parametrize("how", ["link", "value"])
@pytest.mark.parametrize("corner", CORNERS)
def test_questions_of_two_facts_go_with_either_fact(how, corner):
    value = {"value": corner} if how == "value" else {}
    by = speaker(hide={"attribute": "weather_corner", "from": "understanding", "how": how, **value})
    for index, scene in scenes(by, 200):
        if how == "link" or scene.weather_corner == corner:
            asked = {ask.attribute for ask in by.say(scene, "understanding", rng(5, index)).questions}
            assert not asked & {"weather_corner", "same_side", "weather_above_battery"}


def test_a_hidden_hand_takes_the_time_with_it_but_leaves_the_other_hands():
    by = hiding("second", "understanding", "link")
    asked, stated = set(), set()
    for index, scene in scenes(by, 200):
        said = by.say(scene, "understanding", rng(5, index))
        asked |= {ask.attribute for ask in said.questions}
        stated |= set(said.captions[0].states)
    assert "time" not in asked
    assert {"hour", "minute"} <= asked & stated


def test_a_wrong_name_does_not_bring_a_hidden_value_back():
    by = speaker(
        made_up_names={"wrong_in": "understanding", "how": "shuffled"},
        hide={"attribute": "weather", "from": "understanding", "how": "value", "value": "rainy"},
    )
    word = by.vocabulary.weather_words["rainy"]
    for index, scene in scenes(by, 300):
        said = by.say(scene, "understanding", rng(5, index))
        assert not any(word in text.split() for text in texts(said))
        assert scene.weather != "rainy" or "weather" not in mentions(by, said)


def test_hiding_a_value_that_does_not_exist_is_refused_with_the_nearest_names():
    with pytest.raises(ConfigError, match="Did you mean `sunny`"):
        speaker(hide={"attribute": "weather", "from": "understanding", "how": "value", "value": "suny"})


def test_the_first_paper_s_colour_is_never_spoken_of_so_hiding_it_changes_nothing():
    by = speaker(faithful_to_p1=True, hide={"attribute": "color", "from": "drawing"})
    for index, scene in scenes(by, 20):
        assert "color" not in mentions(by, by.say(scene, "drawing", rng(5, index)))
