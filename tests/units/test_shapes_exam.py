"""Both skills examined on the shapes world: objects are matched as a set, chance and ceiling lie where they should, and any
recipe and the quickstart's study move to this world."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bothways.core.config import Config
from bothways.core.errors import ConfigError
from bothways.core.sample import ArrayPicture, Image, Text
from bothways.core.tally import Tally
from bothways.data.worlds import corpus, exam
from bothways.evaluate.harness import answer
from bothways.evaluate.mark import mark
from bothways.recipes.recipe import load_recipe
from bothways.studies.quickstart import STUDY, study
from bothways.study.ledger import Ledger
from bothways.study.plan import plan
from bothways.study.report import write_report
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.shapes.match import claims, marks, marks_of_edit

RED_STAR = {"kind": "star", "color": "red", "size": "small", "place": "top left"}
BLUE_STAR = {"kind": "star", "color": "blue", "size": "large", "place": "middle"}
CROSS = {"kind": "cross", "color": "red", "size": "small", "place": "bottom"}
WANTED = {"count": 2, "ground": "navy", "objects": [RED_STAR, BLUE_STAR]}


def shown(*objects: dict, ground: str = "navy") -> dict:
    return {"count": len(objects), "ground": ground, "objects": list(objects)}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (shown(BLUE_STAR, RED_STAR), (1, 1, 1, 1, 1)),
        (shown(BLUE_STAR, RED_STAR, ground="black"), (1, 1, 1, 1, 0)),
        (shown(RED_STAR, BLUE_STAR, CROSS), (1, 1, 1, 0, 0)),
        (shown(RED_STAR), (0.5, 0.5, 0.5, 1, 0)),
        (shown({**RED_STAR, "place": "top"}, BLUE_STAR), (1, 0.5, 0.5, 1, 0)),
        (shown({**RED_STAR, "size": "large"}, {**RED_STAR, "size": None}), (0.5, 0.5, 0, 1, 0)),
        (shown(), (0, 0, 0, 0, 0)),
        ({"count": None, "ground": None, "objects": None}, (0, 0, 0, 0, 0)),
    ],
)
def test_a_drawing_is_marked_as_a_set_of_objects(seen, expected):
    names = ("drawn", "placed", "complete", "nothing_extra", "all_right")
    assert marks(WANTED, seen) == dict(zip(names, expected, strict=True))


GREEN_STAR = {**RED_STAR, "color": "green"}


@pytest.mark.parametrize(
    ("wanted", "seen", "asked", "kept"),
    [
        ([GREEN_STAR, BLUE_STAR], [BLUE_STAR, GREEN_STAR], 1, 1),
        ([GREEN_STAR, BLUE_STAR], [RED_STAR, BLUE_STAR], 0, 1),
        ([GREEN_STAR, BLUE_STAR], [GREEN_STAR], 1, 0),
        ([GREEN_STAR, BLUE_STAR], [GREEN_STAR, BLUE_STAR, CROSS], 1, 0),
        ([GREEN_STAR, BLUE_STAR], [{**GREEN_STAR, "size": "large"}, BLUE_STAR], 0, 1),
        ([BLUE_STAR], [BLUE_STAR], 1, 1),
        ([BLUE_STAR], [RED_STAR, BLUE_STAR], 0, 1),
        ([RED_STAR, BLUE_STAR, CROSS], [RED_STAR, BLUE_STAR, CROSS], 1, 1),
        ([RED_STAR, BLUE_STAR, CROSS], [RED_STAR, CROSS], 1, 0),
        ([{**RED_STAR, "place": "top"}, BLUE_STAR], [{**RED_STAR, "place": "top"}, RED_STAR, BLUE_STAR], 0, 1),
        ([{**RED_STAR, "place": "top"}, BLUE_STAR], [{**RED_STAR, "place": "top"}, BLUE_STAR], 1, 1),
    ],
)
def test_an_edit_is_done_where_it_touches_and_all_else_is_kept_shape_by_shape(wanted, seen, asked, kept):
    before = shown(RED_STAR, BLUE_STAR)
    assert marks_of_edit(before, shown(*wanted), shown(*seen)) == {"asked": asked, "kept": kept}
    assert marks_of_edit(before, shown(*wanted), shown(*seen, ground="black"))["kept"] == 0
    unread = {"count": None, "ground": None, "objects": None}
    assert marks_of_edit(before, shown(*wanted), unread) == {"asked": 0, "kept": 0}


def test_an_open_request_is_marked_for_what_it_names():
    assert marks({"objects": [{"color": "red"}]}, shown(CROSS)) == {"drawn": 1, "placed": 1, "complete": 1}
    assert marks({"ground": "navy"}, shown(CROSS)) == {}


def test_a_caption_claims_facts_of_the_objects_that_it_fits_best():
    facts = shown(RED_STAR, BLUE_STAR)
    said = claims({"objects": [{"color": "blue", "kind": "cross"}, {"kind": "star", "color": "red"}]}, facts)
    assert said == {"color@middle": "blue", "kind@middle": "cross", "kind@top left": "star", "color@top left": "red"}
    assert claims({"objects": [CROSS] * 3}, shown(CROSS))["kind@nowhere 1"] == "cross"


class Greedy(Config):
    temperature: float = 0.0


class Student:
    """Answers, tells and draws everything right, or the first scene's answers and picture whatever it is asked."""

    def __init__(self, world, items, knows: bool):
        self.world, self.items, self.knows = world, {item.id: item for item in items}, knows
        self.learned = SimpleNamespace(spec=SimpleNamespace(size_px=64))
        self.head = SimpleNamespace(unit="nats")
        self.fixed = world.scene("test", 0)

    def held_out(self, samples):
        return [SimpleNamespace(text=Tally(0.0, 2), image=Tally(0.0, 64)) for _ in samples]

    def fill(self, model, samples, how, batch_size=1):
        return [
            replace(one, segments=tuple(self._filled(one.id, s) if s.learn else s for s in one.segments)) for one in samples
        ]

    def _filled(self, name: str, segment):
        item = self.items[name]
        if isinstance(segment, Text):
            fixed = {"question": "yes", "caption": "1 shape, a red star."}[item.kind]
            return Text(item.sample.segments[-1].content if self.knows else fixed, learn=True)
        scene = item.truth.scene if self.knows else self.fixed
        return Image(ArrayPicture(self.world.render(scene, 64), name), learn=True)

    def rebuild(self, pictures, size_px):
        return np.stack([picture.pixels(size_px) for picture in pictures])


@pytest.fixture(autouse=True)
def _few_scenes_for_entropies(monkeypatch):
    monkeypatch.setattr("bothways.evaluate.exam.NUM_ENTROPY_SCENES", 100)


def marked(tmp_path, knows: bool):
    world = ShapesConfig().build()
    items = exam(world, "test", 12)
    student = Student(world, items, knows)
    answer(student, world, items, tmp_path / "answers/final", how=Greedy(), fill=student.fill, rebuild=student.rebuild)
    return mark(tmp_path).sheets["final"]


def test_a_student_who_knows_everything_reaches_the_ceiling_and_chance_lies_below(tmp_path):
    sheet = marked(tmp_path, knows=True)
    for kind in ("drawing", "open_drawing"):
        for name in ("drawn", "placed", "complete"):
            assert sheet[f"{kind}/{name}/accuracy"].value == sheet[f"{kind}/{name}/accuracy"].ceiling == 1.0
            assert 0 < sheet[f"{kind}/{name}/accuracy"].chance < 0.8
            assert sheet[f"{kind}/{name}/skill"].value == 1.0
    edits = sheet["editing/all/accuracy"]
    assert (edits.value, edits.ceiling, edits.chance) == (1.0, 1.0, 0.0) and sheet["editing/all/kept"].chance == 1.0
    assert sheet["drawing/all_right/accuracy"].value == sheet["drawing/count/accuracy"].value == 1.0
    assert sheet["captions/all/f1"].value == sheet["captions/kind/f1"].value == 1.0 > sheet["captions/all/f1"].chance
    assert sheet["reading/object/accuracy"].value == sheet["reading/relations/accuracy"].value == 1.0
    for kind in ("kind", "place", "left_of", "above", "larger", "count"):  # shapes, locations and more, each by itself
        score = sheet[f"reading/{kind}/accuracy"]
        assert score.value == 1.0 > score.chance and score.n > 0
    assert not any(name.split("/")[1].startswith("gate") for name in sheet.scores)


def test_a_student_who_looks_at_nothing_shows_no_skill(tmp_path):
    sheet = marked(tmp_path, knows=False)
    for name in ("drawn", "placed", "complete"):
        score = sheet[f"drawing/{name}/accuracy"]
        assert score.value <= score.chance + 1e-9 and sheet[f"drawing/{name}/skill"].value <= 1e-9
    assert sheet["captions/all/f1"].value < 0.5
    assert sheet["reading/left_of/accuracy"].value <= sheet["reading/left_of/accuracy"].chance


def test_a_recipe_moves_to_the_other_world_with_its_sources_and_weights():
    here, there = load_recipe("vq-vq"), load_recipe("vq-vq", {"world.kind": "shapes", "world.level": "pairs"})
    assert there.world == ShapesConfig(level="pairs")
    assert set(there.data.sources) == {"shapes/vqa", "shapes/caption", "shapes/draw"}
    assert set(there.train.weights) == {"shapes/vqa:text", "shapes/caption:text", "shapes/draw:image"}
    assert there.model == here.model and load_recipe("vq-vq", {"world.kind": "watch"}) == here
    with pytest.raises(ConfigError, match="shapes"):
        load_recipe("vq-vq", {"world.kind": "shape"})


def test_the_quickstart_moves_too_and_rests_on_what_the_world_calls_evidence():
    assert study() is STUDY
    moved = study(world="shapes")
    assert [one.primary for one in moved.comparisons] == ["reading/object/skill", "drawing/placed/skill"]
    planned = plan(moved, load_recipe("vq-vq", {"world.kind": "shapes"}, kind="model"))
    assert planned.samples["shapes/draw"]["understanding"] == planned.samples["shapes/vqa"]["drawing"] == 0
    assert planned.samples["shapes/draw"]["unified"] == planned.samples["shapes/draw"]["drawing"] > 0


def test_a_text_tokenizer_hears_of_both_worlds():
    kinds = {config.kind for config in load_recipe("text-tokenizer").worlds.values()}
    assert kinds == {"watch", "shapes"}
    texts = list(corpus(ShapesConfig().build(), 200))
    assert len(texts) == 200 and any("star" in text for text in texts)


def test_a_study_on_shapes_gives_a_report(tmp_path):
    moved = study(world="shapes").with_changes({"seeds": [0]})
    arms = {}
    for arm in moved.arms:
        folder = tmp_path / f"{arm.name}-0"
        marked(folder, knows=arm.name == "unified")
        arms[arm.name] = [folder]
    page = write_report(moved, arms, tmp_path, Ledger(shared={}, arms={}, machine="paper")).read_text()
    assert "shapes placed: kind, color, place" in page and "object: mean" in page
    assert "weather" not in page.lower() and "smart-watch" not in page
