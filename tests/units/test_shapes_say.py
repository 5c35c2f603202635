"""What the shapes world says is true, unambiguous, varied, short, balanced, and can be heard again."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict

import pytest

from bothways.core.errors import ConfigError, DataError
from bothways.core.randomness import rng
from bothways.worlds.shapes import templates
from bothways.worlds.shapes.ask import QUESTIONS
from bothways.worlds.shapes.config import EVERY_QUESTION, LEVELS, ShapesConfig
from bothways.worlds.shapes.instruct import KINDS as EDITS
from bothways.worlds.shapes.palette import COLORS, GROUNDS, KINDS, PLACES, SIZES
from bothways.worlds.shapes.say import Speaker
from bothways.worlds.shapes.scene import Scene, Shape, draw_scene, held_out_pairs, split_of

TASKS = ("understanding", "drawing", "text", "editing", "exam")
WORLDS = ({}, {"hide": {"attribute": "color", "from": "understanding"}}, *({"level": level} for level in LEVELS))


def shape(description: str, place: str) -> Shape:
    size, color, kind = description.split()
    return Shape(kind, color, size, place, (0.5, 0.5, 0.5))


SCENE = Scene(
    "navy",
    (0, 0, 0),
    (shape("small red star", "top left"), shape("large red cross", "middle"), shape("small blue star", "bottom")),
)


def speaker(**changes) -> Speaker:
    return Speaker(ShapesConfig.parse(changes))


def said(by: Speaker, task: str, num: int, split: str = "train"):
    for index in range(num):
        scene = draw_scene(by.config, split, index)
        yield scene, by.say(scene, task, rng(3, task, index))


def all_wordings() -> dict[str, tuple[str, ...]]:
    tables = {name: value for name, value in vars(templates).items() if name.isupper() and isinstance(value, tuple)}
    return {**templates.QUESTIONS, **{f"edit {k}": v for k, v in templates.EDITS.items()}, **tables}


def fitting(scene: Scene, description: str) -> list[Shape]:
    """The shapes that a description fits, read word by word."""
    place = next((p for p in sorted(PLACES, key=len, reverse=True) if description.endswith(f" the {p}")), None)
    words = set(description.removesuffix(f" the {place}").split())
    return [
        one
        for one in scene.shapes
        if (not words & set(COLORS) or one.color in words)
        and (not words & set(KINDS) or one.kind in words)
        and (not words & set(SIZES) or one.size in words)
        and (place is None or one.place == place)
    ]


def slots(attribute: str, question: str) -> dict[str, str]:
    """What stands in a question's slots, found by its wordings; the longest wording that fits."""
    for wording in sorted(templates.QUESTIONS[attribute], key=lambda w: -len(re.sub(r"{.*?}", "", w))):
        pattern = re.escape(wording)
        for name in re.findall(r"\\{(\w+)\\}", pattern):
            pattern = pattern.replace(rf"\{{{name}\}}", rf"(?P<{name}>the .+|an? .+|.+)", 1)
        if found := re.fullmatch(pattern, question):
            return found.groupdict()
    raise AssertionError(question)


def test_every_kind_of_text_has_at_least_eight_wordings():
    assert {name: len(set(wordings)) for name, wordings in all_wordings().items() if len(set(wordings)) < 8} == {}
    assert tuple(templates.QUESTIONS) == QUESTIONS == EVERY_QUESTION


def test_wordings_are_lower_case_short_and_hold_no_word_that_could_be_an_answer():
    words = {*KINDS, *COLORS, *SIZES, *GROUNDS, "yes", "no", "top", "bottom", "middle"}
    for name, wordings in all_wordings().items():
        for wording in wordings:
            assert wording == wording.lower() and len(wording.split()) <= 12
            bare = re.sub(r"{\w+}", "x", wording)
            assert not words & set(re.findall(r"[a-z]+", bare)) and not re.search(r"\d", bare), (name, wording)
    lengths = [len(question.split()) for questions in templates.QUESTIONS.values() for question in questions]
    assert sum(lengths) / len(lengths) < 7.5


def test_no_question_is_asked_in_the_same_words_for_two_attributes():
    counts = Counter(question for questions in templates.QUESTIONS.values() for question in questions)
    assert [question for question, number in counts.items() if number > 1] == []


@pytest.mark.parametrize("changes", WORLDS, ids=str)
def test_whatever_is_told_is_heard(changes):
    by = speaker(**changes)
    for task in TASKS:
        for _, here in said(by, task, 150):
            for telling in (*here.captions, *here.requests, *here.tellings):
                assert by.hear(telling.text) == telling.states, telling.text


def test_whatever_is_told_is_true_of_as_many_shapes():
    by = speaker()
    for task in ("understanding", "drawing", "text", "exam"):
        for scene, here in said(by, task, 150):
            facts = scene.facts()
            for telling in (*here.captions, *here.requests, *here.tellings):
                assert all(telling.states[name] == facts[name] for name in ("count", "ground") if name in telling.states)
                stated = telling.states.get("objects", [])
                assert any(
                    all(one.items() <= other.items() for one, other in zip(stated, order, strict=False))
                    for order in itertools.permutations(facts["objects"], len(stated))
                ), telling.text


def test_the_first_request_of_an_exam_names_everything_and_the_second_something():
    by, both = speaker(), 0
    for scene, here in said(by, "exam", 100, "test"):
        whole, *part = [request.states for request in here.requests]
        assert whole["count"] == scene.count and whole["ground"] == scene.ground
        by_place = sorted(whole["objects"], key=lambda one: PLACES.index(one["place"]))
        assert by_place == scene.facts()["objects"]
        if part:
            stated = [fact for one in part[0].get("objects", ()) for fact in one]
            assert len(stated) < 4 * scene.count or len(part[0]) < 3
            both += 1
    assert both > 95


def test_a_description_in_a_question_fits_one_shape_alone():
    by = speaker()
    checked = Counter()
    for task in ("understanding", "exam"):
        for scene, here in said(by, task, 250):
            for ask in here.questions:
                for name, description in slots(ask.attribute, ask.question).items():
                    if name in ("it", "one", "other"):
                        found = fitting(scene, description)
                        assert len(found) == 1, (ask, scene.shapes)
                        checked[ask.attribute] += 1
                        if ask.attribute in ("kind", "color", "size", "place"):
                            assert ask.answer == getattr(found[0], ask.attribute)
                            assert ask.answer not in description.split() or ask.attribute == "place"
    assert len(checked) == 9 and min(checked.values()) > 30


def test_answers_about_two_shapes_and_about_numbers_are_right():
    by = speaker()
    truths = {
        "left_of": lambda a, b: a.column < b.column,
        "above": lambda a, b: a.row < b.row,
        "larger": lambda a, b: (a.size, b.size) == ("large", "small"),
        "same_color": lambda a, b: a.color == b.color,
        "same_kind": lambda a, b: a.kind == b.kind,
    }

    def number(scene: Scene, words: str) -> int:
        name = words.removesuffix(" shapes")
        singular = re.sub(r"(?<=cross)es$|s$", "", name) if words == name else name
        return sum(singular in (one.kind, one.color) for one in scene.shapes)

    seen = Counter()
    for scene, here in said(by, "exam", 400):
        for ask in here.questions:
            found = slots(ask.attribute, ask.question)
            if ask.attribute in truths:
                (one,), (other,) = (fitting(scene, found[name]) for name in ("one", "other"))
                assert ask.answer == ("yes" if truths[ask.attribute](one, other) else "no"), (ask, scene.shapes)
            elif ask.attribute == "count_of":
                assert ask.answer == str(number(scene, found["words"]))
            elif ask.attribute == "more":
                assert ask.answer == ("yes" if number(scene, found["more"]) > number(scene, found["fewer"]) else "no")
            elif ask.attribute == "exists":
                assert ask.answer == ("yes" if fitting(scene, found["a_word"]) else "no")
            seen[ask.attribute] += 1
    assert min(seen[name] for name in (*truths, "count_of", "more", "exists")) > 100


def test_answers_cannot_be_guessed_from_how_often_they_occur():
    by = speaker()
    for task, split in (("exam", "test"), ("understanding", "train")):
        found = defaultdict(Counter)
        for _, here in said(by, task, 800, split):
            for ask in here.questions:
                found[ask.attribute][ask.answer] += 1
        most = {name: max(counts.values()) / counts.total() for name, counts in found.items() if counts.total() > 100}
        assert task == "understanding" or set(most) == set(QUESTIONS)
        limits = {"count": 0.27, "ground": 0.33, "kind": 0.25, "color": 0.2, "place": 0.2, "count_of": 0.45}
        assert {name: share for name, share in most.items() if share > limits.get(name, 0.6)} == {}


def test_a_pair_that_training_never_shows_is_never_asked_for():
    by, pairs = speaker(), held_out_pairs(0)
    for _, here in said(by, "understanding", 600):
        for ask in here.questions:
            if ask.attribute == "exists":
                words = slots("exists", ask.question)["a_word"].split()
                assert (words[-1], words[1]) not in pairs


def test_turns_have_no_attribute_in_common():
    by = speaker()
    words = {name: "|".join(values) for name, values in (("kind", KINDS), ("color", COLORS), ("size", SIZES))}
    most = 0
    for _, here in said(by, "understanding", 300):
        turns = [f"{ask.question} {ask.answer}" for ask in here.questions]
        used = [{name for name, any_of in words.items() if re.search(rf"\b(?:{any_of})(?:s|es)?\b", t)} for t in turns]
        assert sum(map(len, used)) == len(set().union(*used)), here.questions
        most = max(most, len(used))
    assert most == 3


def test_every_question_is_asked_in_training_and_in_exams_and_a_level_asks_for_its_own():
    for level in ("all", "counts", "relations"):
        by = speaker(level=level)
        for task in ("understanding", "text", "exam"):
            asked = {ask.attribute for _, here in said(by, task, 250) for ask in here.questions}
            assert asked == set(by.config.difficulty.asked)


def test_an_exam_asks_the_same_in_other_words_whatever_the_generator():
    by = speaker()
    exams = [by.say(SCENE, "exam", rng(seed)).questions for seed in range(2)]
    assert [(ask.attribute, ask.answer) for ask in exams[0]] == [(ask.attribute, ask.answer) for ask in exams[1]]
    assert exams[0] != exams[1]
    assert by.answers(SCENE) == {ask.attribute: ask.answer for ask in exams[0]}
    assert all(by.grade(name, answer, SCENE) == 1.0 for name, answer in by.answers(SCENE).items())
    assert by.say(SCENE, "understanding", rng(1, "a")) == by.say(SCENE, "understanding", rng(1, "a"))


def test_edits_say_what_changed_and_stay_in_their_split():
    by = speaker()
    seen = Counter()
    for split in ("train", "test", "composition"):
        for scene, here in said(by, "editing", 150, split):
            for edit in here.edits:
                before = Counter(tuple(one.facts().values()) for one in scene.shapes)
                after = Counter(tuple(one.facts().values()) for one in edit.scene.shapes)
                gone, new = before - after, after - before
                expected = {"add": (0, 1), "remove": (1, 0), "recolour": (1, 1), "move": (1, 1)}[edit.kind]
                assert (gone.total(), new.total()) == expected
                for kind, color, size, place in new:
                    words = {"add": (kind, color, size, place), "recolour": (color,), "move": (place,)}[edit.kind]
                    assert all(word in edit.instruction for word in words), edit
                assert split_of(edit.scene) == split_of(scene) == split
                seen[edit.kind] += 1
    assert set(seen) == set(EDITS) and min(seen.values()) > 60 and seen.total() > 440


def test_an_edit_names_a_shape_that_no_other_is_like():
    by = speaker()
    for scene, here in said(by, "editing", 300):
        (edit,) = here.edits
        if edit.kind == "remove":
            words = next(w for w in re.findall(r"the .+(?=\.)", edit.instruction))
            description = words.removesuffix(" away")
            assert len(fitting(scene, description)) == 1, (edit.instruction, scene.shapes)


@pytest.mark.parametrize(
    ("attribute", "text", "value"),
    [
        ("count", "3", 3),
        ("count", "three", None),
        ("count", "9", None),
        ("count", "٣", None),
        ("kind", "Star.", "star"),
        ("kind", "red star", None),
        ("color", "white", None),
        ("ground", "white", "white"),
        ("place", "Top-Left", "top left"),
        ("place", "at the top", None),
        ("left_of", "Yes.", "yes"),
        ("left_of", "maybe", None),
        ("nothing", "yes", None),
    ],
)
def test_answers_are_understood_or_refused(attribute, text, value):
    assert speaker().understand(attribute, text) == value


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("A RED star at the top-left!", {"objects": [{"kind": "star", "color": "red", "place": "top left"}]}),
        ("a red blue star", {}),
        ("3 shapes on white, 2 shapes", {"ground": "white"}),
        ("a shape in the middle on black", {"ground": "black", "objects": [{"place": "middle"}]}),
        ("a brown star, small circle", {"objects": [{"kind": "circle", "size": "small"}]}),  # brown is not in use
        ("a cream ground", {}),
        ("", {}),
    ],
)
def test_near_misses_are_heard_as_far_as_they_are_clear(text, heard):
    assert speaker().hear(text) == heard


def test_what_cannot_be_asked_is_refused_with_names():
    with pytest.raises(DataError, match="color"):
        speaker().answer(SCENE, "colour")
    with pytest.raises(ConfigError, match="asked"):
        speaker(dial={"asked": ["weather"]})
