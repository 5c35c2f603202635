"""The second reader: a network that reads what the first one reads, without having asked it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import watch_damage as damage

from bothways.core.errors import ConfigError, DataError
from bothways.core.randomness import rng
from bothways.evaluate.second import SECOND_READERS
from bothways.evaluate.second.labels import IGNORED
from bothways.evaluate.second.reader import second_reader
from bothways.evaluate.second.shapes import NOTHING
from bothways.evaluate.second.shipped import config_of, weights_of, why_none
from bothways.evaluate.second.training import SecondReaderTraining
from bothways.recipes.recipe import load_recipe
from bothways.worlds import WORLDS
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.watch.config import WatchConfig

NANO = load_recipe("vq-vq").world
PICO = load_recipe("pico").world
GATES = ("weather", "weather_corner", "battery_corner", "color")


def pictures(size_px: int, world=NANO, num: int = 60) -> tuple[list[dict], list[np.ndarray]]:
    """Facts and clean renderings of test scenes."""
    built = world.build()
    scenes = [built.scene("test", index) for index in range(num)]
    return [built.facts(scene) for scene in scenes], [built.render(scene, size_px) for scene in scenes]


@pytest.mark.parametrize(("world", "size_px"), [(NANO, 64), (PICO, 48)], ids=["nano", "pico"])
def test_on_clean_renderings_both_readers_say_the_same_of_gates_and_hands(world, size_px):
    facts, seen = pictures(size_px, world)
    first, second = world.build(), second_reader(world, size_px).read(seen)
    asked = world.difficulty.asked
    for name in asked:
        least = 0.98 if name in GATES else 0.9
        true = [fact[name] for fact in facts]
        found = [reading[name].value for reading in second]
        assert np.mean([a == b for a, b in zip(found, true, strict=True)]) >= least, name
        assert np.mean([a == first.read(p)[name].value for a, p in zip(found, seen, strict=True)]) >= least, name


def test_shapes_are_read_place_by_place():
    world = ShapesConfig()
    facts, seen = pictures(64, world)
    readings = second_reader(world, 64).read(seen)
    assert np.mean([r["ground"].value == f["ground"] for r, f in zip(readings, facts, strict=True)]) >= 0.98
    assert np.mean([r["count"].value == f["count"] for r, f in zip(readings, facts, strict=True)]) >= 0.9
    objects = [(one, r["objects"].value or []) for r, f in zip(readings, facts, strict=True) for one in f["objects"]]
    assert np.mean([one in found for one, found in objects]) >= 0.9


@pytest.mark.parametrize("part", ["icon", "battery", "grey", "white", "noise"])
def test_what_is_not_there_is_unreadable_and_the_rest_is_read(part):
    config, world = NANO, NANO.build()
    scenes = [world.scene("test", index) for index in range(40)]
    draws = np.random.default_rng(0)
    make, gone = {
        "icon": (lambda s: damage.without_icon(s, config, 64), damage.ICON),
        "battery": (lambda s: damage.without_battery(s, config, 64), damage.BATTERY),
        "grey": (lambda s: np.full((64, 64, 3), draws.integers(100, 160), np.uint8), tuple(world.attributes)),
        "white": (lambda s: np.full((64, 64, 3), 255, np.uint8), tuple(world.attributes)),
        "noise": (lambda s: draws.integers(0, 256, (64, 64, 3), dtype=np.uint8), tuple(world.attributes)),
    }[part]
    readings = second_reader(config, 64).read([make(scene) for scene in scenes])
    for name in world.attributes:
        found = [reading[name].value for reading in readings]
        if name in gone:
            assert np.mean([value is None for value in found]) >= 0.95, name
        elif name in GATES:
            true = [scene.facts()[name] for scene in scenes]
            assert np.mean([a == b for a, b in zip(found, true, strict=True)]) >= 0.95, name


def test_only_values_that_occur_in_a_world_are_read():
    narrow = WatchConfig(dial={"hands": ["hour"], "battery_step": 10, "num_colors": 6, "asked": ["hour", "color"]})
    _, seen = pictures(64, WatchConfig())
    readings = second_reader(narrow, 64).read(seen)
    assert {reading["minute"].value for reading in readings} == {None}
    assert {reading["battery"].value for reading in readings} <= {None, *range(0, 101, 10)}
    assert {reading["color"].value for reading in readings} <= {None, *narrow.colors}
    assert len({reading["color"].value for reading in second_reader(WatchConfig(), 64).read(seen)} - {None}) > 6


def test_a_picture_reads_the_same_alone_and_among_others():
    _, seen = pictures(64)
    reader = second_reader(NANO, 64)
    assert [one.to_json() for one in reader.read(seen)] == [reader.read([one])[0].to_json() for one in seen]


def test_confidence_lies_in_range_and_is_zero_where_nothing_is_stated():
    _, seen = pictures(64)
    blurred = [damage.blurred(damage.noisy(pixels, index, 0.2)) for index, pixels in enumerate(seen)]
    for reading in second_reader(NANO, 64).read([*seen, *blurred]):
        assert all(0.5 <= one.confidence <= 1 if one.value is not None else one.confidence == 0 for one in reading.values())


@pytest.mark.parametrize(
    ("world", "size_px", "told"),
    [
        (NANO, 224, "pictures of 224 px; the one of `watch` reads 48 and 64 px"),
        (WatchConfig(faithful_to_p1=True), 64, "P1's faces"),
        (WORLDS.load("paper_world:PaperConfig")(), 64, "world `paper_world:PaperConfig`; those of"),
    ],
    ids=["size", "p1", "world"],
)
def test_a_world_or_a_size_without_a_second_reader_is_told_in_a_sentence(world, size_px, told):
    assert told in (why_none(world, size_px) or "")
    with pytest.raises(DataError, match="There is no second reader"):
        second_reader(world, size_px)


def test_it_ships_as_what_its_recipe_makes_in_less_than_a_megabyte_and_a_half():
    for kind in SECOND_READERS:
        assert weights_of(kind).stat().st_size < 1.5e6
        assert config_of(kind) == load_recipe(f"second-{kind}").reader


def making(name: str, **more) -> tuple[SecondReaderTraining, list]:
    recipe = load_recipe(name)
    world = recipe.worlds["all"].build()
    return SecondReaderTraining(recipe.reader, (), 0), [world.picture("train", index) for index in range(64)]


@pytest.mark.parametrize("name", ["second-watch", "second-shapes"])
def test_a_step_is_a_function_of_its_pictures_and_draws_and_its_labels_are_facts(name):
    training, seen = making(name)
    one, other = (training.batch(seen, rng(0, "draws", 3)) for _ in range(2))
    assert torch.equal(one.pixels, other.pixels) and torch.equal(one.targets, other.targets)
    assert one.pixels.shape[-1] == training.config.input_px and one.pixels.abs().max() <= 1
    plain = torch.tensor([training.labels.targets(training.labels.of(p.world.facts(p.scene))) for p in seen])
    unreadable = torch.tensor([len(values) for values in training.labels.fields.values()])
    kept = one.targets == plain
    gone = {None, NOTHING}
    assert 0.6 < kept.double().mean() < 1, "most facts stay, some are painted over"
    changed = one.targets[~kept], unreadable.expand_as(one.targets)[~kept]
    fields = list(training.labels.fields.items())
    for at, label, lost in zip((~kept).nonzero()[:, 1].tolist(), *(c.tolist() for c in changed), strict=True):
        values = fields[at][1]
        assert label in (lost, IGNORED) or values[label] in gone, "what changed is gone, never another value"


def test_no_reader_is_asked_while_one_is_trained(monkeypatch):
    for world in ("watch.world:WatchWorld", "shapes.world:ShapesWorld"):
        module, _, name = world.partition(":")
        monkeypatch.setattr(f"bothways.worlds.{module}.{name}.read", lambda *_: pytest.fail("the first reader was asked"))
    for name in ("second-watch", "second-shapes"):
        training, seen = making(name)
        batch = training.batch(seen[:8], rng(0, "draws"))
        loss = sum(tally.total / tally.count for tally in training.terms(batch).values())
        loss.backward()
        assert all(weight.grad is not None for weight in training.parameters())


def test_pictures_of_the_composition_split_are_never_trained_on():
    recipe = load_recipe("second-watch")
    from bothways.worlds.watch.scene import split_of

    for config in recipe.worlds.values():
        world = config.build()
        assert {split_of(world.picture("train", index).scene) for index in range(50)} == {"train"}


def test_a_recipe_that_does_not_fit_is_refused_in_a_sentence():
    for changes, told in (
        ({"worlds.all": {"kind": "shapes"}}, "a second reader reads one world"),
        ({"examined": ["everything"]}, "Found `everything` among `examined`"),
        ({"shares.all": 0.9}, "adding up to 1"),
        ({"rebuilt_per_step": 40}, "40 of 32 pictures"),
    ):
        with pytest.raises(ConfigError, match=told):
            load_recipe("second-watch", changes)
