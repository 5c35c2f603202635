"""Names exchanged between tasks: what the worlds make of it, and what answers and drawings that follow them score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from paper_world import EVERY_VALUE, VALUES, PaperWorld, Student
from test_mark import Greedy

from bothways.data.worlds import exam
from bothways.evaluate.exam import cut
from bothways.evaluate.harness import answer
from bothways.evaluate.mark import mark
from bothways.recipes.recipe import load_recipe
from bothways.worlds.watch.config import WatchConfig

SWAPPED = {"sunny": "cloudy", "cloudy": "sunny"}
CIRCLE = {"sunny": "cloudy", "cloudy": "raining", "raining": "sunny"}


class Says(Student):
    """Says `called[value]` of the weather; of a request, draws what `called` makes of the value asked for."""

    def __init__(self, world, items, called):
        super().__init__(world, items, {}, EVERY_VALUE)
        self.called = called

    def _says(self, item, name):
        said = super()._says(item, name)
        return self.called.get(said, said) if name == "weather" else said


def follows(
    folder: Path, names: dict[str, str], called: dict[str, str], drawn: dict[str, str] | None = None
) -> dict[str, float]:
    """Scores of a student in a world that misnames so; `drawn`: what drawings make of the weather, if not the same."""
    world = PaperWorld()
    world.misnamed = {"weather": names} if names else {}
    items = cut(exam(world, num_pictures=60), 60)
    by_kind = [
        ([i for i in items if i.kind == "question"], called),
        ([i for i in items if i.kind == "drawing"], drawn or called),
    ]
    found = {}
    for number, (some, how) in enumerate(by_kind):
        student = Says(world, items, how)
        run = folder / str(number)
        answer(student, world, some, run / "answers/final", how=Greedy(), fill=student.fill, rebuild=student.rebuild)
        found |= {name: one.value for name, one in mark(run, world).sheets["final"].scores.items() if "follows" in name}
    return found


@pytest.mark.parametrize("names", [SWAPPED, CIRCLE])
def test_who_keeps_to_the_exchanged_names_scores_one_and_who_keeps_to_the_right_ones_minus_one(tmp_path, names):
    back = {other: value for value, other in names.items()}
    found = follows(tmp_path / "a", names, names, drawn=back)
    assert found == pytest.approx({"reading/weather/follows": 1.0, "drawing/weather/follows": 1.0})
    assert list(follows(tmp_path / "b", names, {}).values()) == pytest.approx([-1.0, -1.0])
    assert follows(tmp_path / "c", {}, {}) == {}


@pytest.mark.parametrize("answer_", VALUES["weather"])
def test_who_says_the_same_of_every_picture_scores_zero_exactly(tmp_path, answer_):
    found = follows(tmp_path, SWAPPED, dict.fromkeys(VALUES["weather"], answer_))
    assert found == pytest.approx({"reading/weather/follows": 0.0, "drawing/weather/follows": 0.0}, abs=1e-12)


@pytest.mark.parametrize(("wrong_in", "hidden_from"), [("drawing", "understanding"), ("understanding", "drawing")])
def test_one_task_of_an_exchanging_watch_misnames_two_weathers_and_the_other_names_none(wrong_in, hidden_from):
    plain = load_recipe("pico").world
    config = plain.with_changes(plain.exchanged(wrong_in))
    world, right = config.build(), config.with_changes({"made_up_names.wrong_in": None, "hide": None}).build()
    assert world.picture_digest() == plain.build().picture_digest()
    [names] = [world.misnamed["weather"]]
    assert len(names) == 2 and all(names[names[kind]] == kind for kind in names)
    words = {kind: right.answer(scene, "weather") for kind, scene in scenes(right).items()}
    for kind, scene in scenes(world).items():
        texts = {task: told(world, scene, task) for task in ("understanding", "drawing")}
        assert words[names.get(kind, kind)] in texts[wrong_in]
        assert not any(word in texts[hidden_from] for word in words.values())
        assert words[kind] in told(world, scene, "exam"), "an exam is rightly named"


def scenes(world) -> dict:
    """A scene of every weather."""
    return {scene.weather: scene for scene in (world.scene("train", index) for index in range(60))}


def told(world, scene, task: str) -> str:
    """Everything that a task says of a scene, in many wordings."""
    found = []
    for seed in range(40):
        said = world.say(scene, task, np.random.default_rng(seed))
        found += [f"{ask.question} {ask.answer}" for ask in said.questions]
        found += [one.text for one in (*said.captions, *said.requests)]
    return " ".join(found)


def test_a_watch_that_never_speaks_of_the_weather_has_no_names_to_exchange():
    assert WatchConfig(level="hands").exchanged("drawing") is None and WatchConfig().build().misnamed == {}
    assert load_recipe("vq-vq", {"world.kind": "shapes"}).world.exchanged("drawing") is None
