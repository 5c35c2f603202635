"""What the watch world says is true, varied, short, and can be heard again."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from bothways.core.errors import DataError
from bothways.core.randomness import rng
from bothways.worlds.watch import templates
from bothways.worlds.watch.config import LEVELS, WatchConfig
from bothways.worlds.watch.facts import TWO_FACTS
from bothways.worlds.watch.palette import COLORS, CORNERS, WEATHERS
from bothways.worlds.watch.say import Speaker
from bothways.worlds.watch.scene import Scene, draw_scene
from bothways.worlds.watch.words import MADE_UP, wrong_kinds

TASKS = ("understanding", "drawing", "editing", "text", "exam")
SCENE = Scene(7, 35, 12, "sunny", 57, "top left", "bottom right", "red", (0.85, 0.14, 0.15))
WORLDS = (
    {},
    {"faithful_to_p1": True},
    {"made_up_names": {}, "dial": {"num_weathers": 12, "num_colors": 24}},
    {"made_up_names": {"wrong_in": "understanding", "how": "shuffled"}, "dial": {"num_weathers": 12}},
    {"hide": {"attribute": "minute", "from": "understanding"}},
    *({"level": level} for level in LEVELS),
)


def speaker(**changes) -> Speaker:
    return Speaker(WatchConfig.parse(changes))


def said(by: Speaker, task: str, num: int, split: str = "train"):
    for index in range(num):
        scene = draw_scene(by.config, split, index)
        yield scene, by.say(scene, task, rng(3, task, index))


def all_wordings() -> dict[str, tuple[str, ...]]:
    tables = {name: value for name, value in vars(templates).items() if name.isupper() and isinstance(value, tuple)}
    return {**templates.QUESTIONS, **tables}


def test_every_kind_of_text_has_at_least_eight_wordings():
    assert {name: len(set(wordings)) for name, wordings in all_wordings().items() if len(set(wordings)) < 8} in (
        {},
        {"HAND": 7},  # the plain wording stands twice there, to be the commoner one
    )


def test_wordings_are_lower_case_and_short():
    for wordings in all_wordings().values():
        assert all(wording == wording.lower() and len(wording.split()) <= 11 for wording in wordings)
    lengths = [len(question.split()) for questions in templates.QUESTIONS.values() for question in questions]
    assert sum(lengths) / len(lengths) < 7.5


def test_no_wording_holds_a_word_that_could_be_an_answer():
    answers = {*COLORS, *WEATHERS, *MADE_UP, *" ".join(CORNERS).split(), "yes", "no"}
    for name, wordings in all_wordings().items():
        for wording in wordings:
            assert not answers & set(re.findall(r"[a-z]+", wording.replace("{", " x"))), (name, wording)
            assert not re.search(r"\d", wording)


def test_no_question_is_asked_in_the_same_words_for_two_attributes():
    counts = Counter(question for questions in templates.QUESTIONS.values() for question in questions)
    assert [question for question, number in counts.items() if number > 1] == []


@pytest.mark.parametrize("changes", WORLDS, ids=str)
def test_whatever_is_told_is_heard(changes):
    by = speaker(**changes)
    for task in TASKS:
        for _, said_here in said(by, task, 400):
            for telling in (*said_here.captions, *said_here.requests, *said_here.tellings):
                assert by.hear(telling.text) == telling.states, telling.text


@pytest.mark.parametrize("changes", WORLDS[:3], ids=str)
def test_whatever_is_told_is_true(changes):
    by = speaker(**changes)
    for task in TASKS:
        for scene, said_here in said(by, task, 100):
            for telling in (*said_here.captions, *said_here.requests, *said_here.tellings):
                assert telling.states == {name: getattr(scene, name) for name in telling.states}
            for ask in said_here.questions:
                assert ask.answer == by.answer(scene, ask.attribute)
                assert by.grade(ask.attribute, ask.answer, scene) == 1.0


def test_texts_are_a_function_of_the_generator_alone():
    by = speaker()
    assert by.say(SCENE, "understanding", rng(1, "a")) == by.say(SCENE, "understanding", rng(1, "a"))
    assert by.say(SCENE, "understanding", rng(1, "a")) != by.say(SCENE, "understanding", rng(1, "b"))


def test_no_turn_can_be_answered_from_an_earlier_one():
    by = speaker()
    needs = {"time": {"hour", "minute", "second"}} | {name: set(fact.needs) for name, fact in TWO_FACTS.items()}
    most = 0
    for _, said_here in said(by, "understanding", 300):
        used = [needs.get(ask.attribute, {ask.attribute}) for ask in said_here.questions]
        assert sum(map(len, used)) == len(set().union(*used))
        most = max(most, len(used))
    assert most == 4


def test_every_attribute_of_both_tiers_is_asked_in_training_and_once_in_an_exam():
    by = speaker()
    trained = Counter(ask.attribute for _, here in said(by, "understanding", 400) for ask in here.questions)
    (_, here), *_ = said(by, "exam", 1)
    asked = [ask.attribute for ask in here.questions]
    assert set(trained) == set(asked) == set(templates.QUESTIONS)
    assert len(asked) == len(set(asked))
    assert {ask.attribute for ask in here.questions if ask.tier == "two_facts"} == set(TWO_FACTS)


def test_text_only_questions_can_be_answered_from_the_telling():
    by = speaker()
    for _, here in said(by, "text", 300):
        for ask in here.questions:
            needed = TWO_FACTS[ask.attribute].needs if ask.attribute in TWO_FACTS else by._needs(ask.attribute)
            assert set(needed) <= set(here.tellings[0].states)


def test_captions_always_tell_the_time_and_requests_always_the_colour():
    by = speaker()
    assert all({"hour", "minute", "second"} <= set(here.captions[0].states) for _, here in said(by, "understanding", 200))
    assert all("color" in here.requests[0].states for _, here in said(by, "drawing", 200))


def test_an_exam_requests_everything_that_a_dial_asks_for():
    for level, dial in LEVELS.items():
        by = speaker(level=level)
        (_, here), *_ = said(by, "exam", 1)
        assert set(here.requests[0].states) == set(by.config.difficulty.asked), dial


def test_hidden_hands_are_never_spoken_of():
    by = speaker(level="hands")
    for task in TASKS:
        for _, here in said(by, task, 100):
            assert all("second" not in telling.states for telling in (*here.captions, *here.requests, *here.tellings))
            assert all(ask.attribute in ("hour", "minute", "time") for ask in here.questions)
    assert by.answer(SCENE, "time") == "07:35"


def test_canonical_answers_are_bare_and_short():
    by = speaker()
    answers = {name: by.answer(SCENE, name) for name in templates.QUESTIONS}
    assert answers == {
        "weather": "sunny",
        "weather_corner": "top left",
        "battery_corner": "bottom right",
        "color": "red",
        "battery": "57%",
        "hour": "7",
        "minute": "35",
        "second": "12",
        "time": "07:35:12",
        "minutes_to_hour": "25",
        "battery_over_half": "yes",
        "same_side": "no",
        "weather_above_battery": "yes",
        "hands_far_apart": "no",
    }


@pytest.mark.parametrize(
    ("attribute", "text", "value"),
    [
        ("weather", "Sunny.", "sunny"),
        ("weather", "sunny sunny", None),
        ("weather_corner", "top-left", "top left"),
        ("weather_corner", "top", None),
        ("hour", "7", 7),
        ("hour", "13", None),
        ("hour", "-1", None),
        ("minute", "60", None),
        ("battery", "57 %", 57),
        ("battery", "101%", None),
        ("battery", "", None),
        ("time", "7:35:12", "07:35:12"),
        ("time", "07:35", None),
        ("time", "07:35:99", None),
        ("same_side", "Yes", "yes"),
        ("same_side", "maybe", None),
        ("minutes_to_hour", "0", None),
        ("minutes_to_hour", "60", 60),
        ("hour", "٣", None),
    ],
)
def test_answers_are_understood_or_refused(attribute, text, value):
    assert speaker().understand(attribute, text) == value


@pytest.mark.parametrize(
    ("attribute", "text", "score"),
    [
        ("time", "07:35:12", 1.0),
        ("time", "01:05:42", 0.0),  # every hand half a turn away
        ("time", "10:35:12", 1 - (3 / 6) / 3),
        ("hour", "1", 0.0),
        ("hour", "10", 0.5),
        ("minute", "50", 0.5),
        ("battery", "50%", 0.93),
        ("battery", "fifty", 0.0),
        ("weather", "rainy", 0.0),
        ("battery_over_half", "yes", 1.0),
    ],
)
def test_grades_are_those_of_the_first_paper(attribute, text, score):
    assert speaker().grade(attribute, text, SCENE) == pytest.approx(score)


def test_hour_twelve_and_hour_nought_are_the_same_hand():
    by = speaker(faithful_to_p1=True)
    twelve = Scene(12, 0, 0, "sunny", 0, "top left", "top right", "red", (1, 0, 0))
    assert by.answer(twelve, "time") == "12:00:00"
    assert by.grade("time", "00:00:00", twelve) == by.grade("hour", "0", twelve) == 1.0


def test_an_unknown_attribute_is_refused_with_the_nearest_names():
    with pytest.raises(DataError, match="weather"):
        speaker().answer(SCENE, "wether")


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("A RED watch, 07:35:12!", {"color": "red", "hour": 7, "minute": 35, "second": 12}),
        ("a red watch, a blue watch", {}),
        ("battery 57%, battery 58%, sunny", {"weather": "sunny"}),
        ("sunny top-left and battery", {"weather": "sunny", "weather_corner": "top left"}),
        ("sunny battery top left", {"weather": "sunny"}),  # whose corner?
        ("29:88:77, battery 300%", {}),
        ("the hour hand is at 7, minute 35", {"hour": 7, "minute": 35}),
        ("", {}),
    ],
)
def test_near_misses_are_heard_as_far_as_they_are_clear(text, heard):
    assert speaker().hear(text) == heard


def test_the_truth_of_two_facts_follows_the_scene():
    by = speaker()

    def answers(**facts):
        scene = Scene(**{**vars(SCENE), **facts})
        return {name: by.answer(scene, name) for name in TWO_FACTS}

    assert answers(minute=0)["minutes_to_hour"] == "60"
    assert answers(battery=50)["battery_over_half"] == "no"
    assert answers(weather_corner="top right")["same_side"] == "yes"
    assert answers(weather_corner="bottom left")["weather_above_battery"] == "no"
    assert answers(hour=0, minute=15)["hands_far_apart"] == "no"
    assert answers(hour=0, minute=16)["hands_far_apart"] == "yes"
    assert answers(hour=11, minute=2)["hands_far_apart"] == "no"


def test_made_up_names_are_assigned_by_seed_and_stand_for_kinds():
    one, other = (speaker(seed=seed, made_up_names={}, dial={"num_weathers": 12}) for seed in (1, 2))
    assert one.vocabulary.weather_words != other.vocabulary.weather_words
    assert len(set(one.vocabulary.weather_words.values())) == 12
    word = one.answer(SCENE, "weather")
    assert word in MADE_UP
    assert one.understand("weather", word) == "sunny"
    assert one.understand("weather", "sunny") is None
    assert one.hear(f"a red watch, {word} top left.")["weather"] == "sunny"


def test_wrong_names_stay_in_their_task():
    for how, fewest, most in (("swapped", 2, 2), ("shuffled", 12, 12)):
        by = speaker(made_up_names={"wrong_in": "understanding", "how": how}, dial={"num_weathers": 12})
        wrong = wrong_kinds(by.config.weathers, how, 0)
        assert fewest <= sum(kind != other for kind, other in wrong.items()) <= most
        assert sorted(wrong.values()) == sorted(wrong)
        for task in TASKS:
            for scene, here in said(by, task, 60):
                told = wrong[scene.weather] if task == "understanding" else scene.weather
                word = by.vocabulary.weather_words[told]
                assert all(ask.answer == word for ask in here.questions if ask.attribute == "weather")
                for telling in (*here.captions, *here.requests, *here.tellings):
                    assert telling.states.get("weather", told) == told


def test_the_first_paper_s_proportions_are_restored():
    by = speaker(faithful_to_p1=True)
    conversations = [here.questions for _, here in said(by, "understanding", 2000)]
    first = Counter(turns[0].attribute for turns in conversations)
    assert set(first) == {"weather", "time", "battery", "weather_corner", "battery_corner"}
    assert (first["weather_corner"] + first["battery_corner"]) / 2000 == pytest.approx(0.4, abs=0.04)
    assert sum(map(len, conversations)) / 2000 == pytest.approx(1 + 3 * 0.4, abs=0.06)
    requests = [here.requests[0].states for _, here in said(by, "drawing", 1000)]
    assert all("hour" in states and "color" not in states for states in requests)
    for name in ("weather", "battery", "weather_corner", "battery_corner"):
        assert sum(name in states for states in requests) / 1000 == pytest.approx(0.5, abs=0.06)
