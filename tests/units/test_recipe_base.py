"""Recipes that are based on others, and P1's choices over any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways.core.errors import ConfigError
from bothways.recipes.read import path_of, read_recipe
from bothways.recipes.recipe import Recipe, load_recipe

GRID = {
    f"{given}-{learned}": (given, learned)
    for given, learned in [
        ("vq", "vq"), ("semantic", "vq"), ("vq", "semantic"), ("semantic", "semantic"),
        ("captioned", "vq"), ("vq", "captioned"), ("captioned", "captioned"),
    ]
}  # fmt: skip


def file(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.yaml").write_text(text)
    return str(folder / f"{name}.yaml")


def test_a_recipe_takes_over_what_it_does_not_say(tmp_path: Path):
    base = file(tmp_path, "below", "name: below\nabout: another\nbase: vq-vq\ntrain: {steps: 7}\nexam: {num_drawings: 5}")
    found = load_recipe(file(tmp_path, "above", "base: below.yaml\ntrain: {lr: 0.5}"), {"train.seed": 3})
    vq = load_recipe("vq-vq")
    assert (found.name, found.about) == ("above", "") and load_recipe(base).name == "below"
    assert (found.train.steps, found.train.lr, found.train.seed, found.exam.num_drawings) == (7, 0.5, 3, 5)
    assert found.model == vq.model and found.data == vq.data and found.train.weights == vq.train.weights
    assert Recipe.parse(found.to_dict()) == found, "what a run folder keeps has no base"


def test_a_part_of_another_kind_replaces_the_bases():
    found = load_recipe("vq-semantic").model
    assert (found.head.kind, found.learned.kind, found.given.kind) == ("regression", "semantic", "vq")
    assert not hasattr(found.learned, "num_codes")


def test_a_base_that_is_missing_or_leads_back_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="Did you mean `vq-vq`"):
        load_recipe(file(tmp_path, "lost", "base: vq-vqq"))
    file(tmp_path, "one", "base: two.yaml")
    with pytest.raises(ConfigError, match=r"is its own base \(two -> one -> two\); end the circle"):
        load_recipe(file(tmp_path, "two", "base: one.yaml"))
    with pytest.raises(ConfigError, match=r"has the base \['vq-vq'\]; expected the name of a recipe"):
        load_recipe(file(tmp_path, "several", "base: [vq-vq]"))


@pytest.mark.parametrize("name", GRID)
def test_the_cells_of_the_grid_differ_in_their_tokens_and_what_follows_from_them(name: str):
    given, learned = GRID[name]
    found, base = load_recipe(name), load_recipe("vq-vq")
    assert found.model.given.weights == f"asset:{given}" and found.model.learned.weights == f"asset:{learned}"
    assert found.model.projector.shared == (given == learned)
    assert found.model.head.kind == ("categorical" if learned == "vq" else "regression")
    follows = {
        "given": base.model.given,
        "learned": base.model.learned,
        "head": base.model.head,
        "projector": base.model.projector,
        "feedback_noise": base.model.feedback_noise,
    }
    assert found.model.model_copy(update=follows) == base.model
    weights = base.train.weights | ({} if learned == "vq" else {"watch/draw:image": 10.0})
    assert found.train == base.train.model_copy(update={"weights": weights})
    assert (found.world, found.data) == (base.world, base.data)
    assert len(read_recipe(path_of(name))) and found.model.given.spec.num_tokens == found.model.learned.spec.num_tokens


@pytest.mark.parametrize("name", GRID)
def test_faithful_to_p1_takes_its_choices_and_published_weights(name: str):
    found = load_recipe(name, {"faithful_to_p1": True})
    assert found.model.learn_marks and found.model.causal_given and found.model.order == "raster"
    assert (found.exam.guidance, found.exam.temperature, found.data.drop_condition) == (1.0, 0.0, 0.0)
    assert found.model.feedback_noise == 0.0
    assert found.train.weights == {"watch/draw:image": 0.2 if found.model.head.kind == "categorical" else 1.0}
    assert Recipe.parse(found.to_dict()) == found
    own = load_recipe(name, {"faithful_to_p1": True, "train.weights": {"watch/vqa:text": 0.5}})
    assert own.train.weights["watch/vqa:text"] == 0.5, "weights may be set beside it"


def test_a_choice_that_contradicts_faithful_to_p1_is_refused():
    with pytest.raises(ConfigError, match=r"faithful_to_p1 with exam.guidance 3.0, which P1 has as 1.0; leave one of them out"):
        load_recipe("vq-vq", {"faithful_to_p1": True, "exam.guidance": 3.0})


def test_an_exam_at_a_temperature_that_the_head_does_not_know_is_refused_before_training():
    with pytest.raises(ConfigError, match=r"temperature 0.7 for drawings, and the head `regression`"):
        load_recipe("vq-semantic", {"exam.temperature": 0.7})
