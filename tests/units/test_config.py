"""Configs: frozen, strict, merged as dicts and validated again; every mistake is one sentence that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from bothways.core.catalogue import Catalogue
from bothways.core.config import Config, digest_of, merge, parse_overrides, part, read_yaml, unflatten
from bothways.core.errors import ConfigError


class Engine(Config):
    kind: str
    power_kw: int = 50


class Petrol(Engine):
    kind: str = "petrol"
    cylinders: int = 4


class Electric(Engine):
    kind: str = "electric"
    battery_kwh: float = 60.0


ENGINES = Catalogue("engine", {"petrol": f"{__name__}:Petrol", "electric": f"{__name__}:Electric"})


class Wheels(Config):
    number: int = 4
    radius_m: float = 0.3


class Car(Config):
    name: str = "car"
    wheels: Wheels = Wheels()
    spare: Wheels | None = None
    engine: part(Engine, ENGINES) = Petrol()
    seats: dict[str, int] = {"front": 2}


def test_defaults_make_a_whole_config_and_nothing_can_be_changed():
    car = Car.parse({})
    assert car == Car() and car.wheels.number == 4
    with pytest.raises(ValidationError, match="frozen"):
        car.name = "other"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"whels": {}}, r"key in config: `whels`\. Did you mean `wheels`\? Known: engine, name, seats, spare, wheels\."),
        ({"wheels": {"radius": 1}}, r"key in config\.wheels: `radius`\. Did you mean `radius_m`\? Known: number, radius_m\."),
        ({"spare": {"nmber": 1}}, r"Unknown key in config\.spare: `nmber`\. Did you mean `number`\?"),
        ({"wheels": {"number": "many"}}, r"In config, `wheels\.number` is 'many': .*integer"),
        ({"engine": {"power_kw": 3}}, r"A engine needs a `kind`; found the keys \['power_kw'\]\. Known: petrol, electric\."),
        ({"engine": {"kind": "petro"}}, r"Unknown engine `petro`\. Did you mean `petrol`\? Known: electric, petrol\."),
        ({"engine": {"kind": "electric", "cylinders": 4}}, r"Unknown key in engine electric: `cylinders`\..*battery_kwh"),
        ({"engine": {"kind": "petrol", "cylinders": "v"}}, r"In engine petrol, `cylinders` is 'v'"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(values: dict, sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        Car.parse(values)


class Ramp(Config):
    first: float
    last: float


class Dial(Config):
    share: Annotated[float, Field(le=1)] | Ramp = 1.0


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"share": 1.5}, r"In config, `share` is 1\.5: .*less than or equal to 1"),
        ({"share": {"first": 0, "last": "x"}}, r"In config, `share\.last` is 'x'"),
        ({"share": {"first": 0}}, r"In config, `share\.last` is missing"),
        ({"share": {"first": 0, "last": 1, "step": 2}}, r"Unknown key in config\.share: `step`.*Known: first, last\."),
    ],
)
def test_where_a_key_may_be_of_several_types_the_sentence_names_the_key_and_no_type(values: dict, sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        Dial.parse(values)


def test_a_part_becomes_the_config_of_its_kind_and_keeps_all_its_keys_on_the_way_out():
    car = Car.parse({"engine": {"kind": "electric", "battery_kwh": 80}})
    assert type(car.engine) is Electric
    assert car.to_dict()["engine"] == {"kind": "electric", "power_kw": 50, "battery_kwh": 80.0}
    assert Car.parse(car.to_dict()) == car
    assert Car(engine=Electric()).engine == Electric(), "an object that is already a config stays as it is"


def test_a_part_outside_the_catalogue_is_named_in_full():
    car = Car.parse({"engine": {"kind": f"{__name__}:Electric"}})
    assert type(car.engine) is Electric and Car.parse(car.to_dict()) == car


def test_changes_are_merged_key_by_key_and_validated():
    car = Car.parse({"wheels": {"radius_m": 0.5}})
    changed = car.with_changes({"wheels.number": 3, "engine.cylinders": 6, "seats.rear": 3})
    assert changed.wheels == Wheels(number=3, radius_m=0.5)
    assert changed.engine == Petrol(cylinders=6)
    assert changed.seats == {"front": 2, "rear": 3}
    assert car.wheels.number == 4, "the old one is as it was"
    with pytest.raises(ConfigError, match="`radius`"):
        car.with_changes({"wheels.radius": 1})


def test_another_kind_replaces_a_part_instead_of_mixing_with_it():
    car = Car.parse({"engine": {"kind": "petrol", "power_kw": 99}})
    changed = car.with_changes({"engine.kind": "electric"})
    assert changed.engine == Electric(power_kw=50)
    assert car.with_changes({"engine": {"kind": "petrol", "cylinders": 3}}).engine == Petrol(power_kw=99, cylinders=3)


def test_merging_leaves_both_sides_as_they_were_and_null_unsets_what_is_optional():
    base, over = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 5}, "d": None, "e": None}
    assert merge(base, over) == {"a": {"b": 5, "c": 2}, "d": None, "e": None}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3} and over == {"a": {"b": 5}, "d": None, "e": None}
    assert merge({"a": 1}, {"a": {"b": 1}}) == {"a": {"b": 1}}
    assert merge({"a": {"b": 1}}, {"a": 2}) == {"a": 2}
    assert Car.parse({"spare": {"number": 1}}).with_changes({"spare": None}).spare is None
    with pytest.raises(ConfigError, match="whels"):
        Car().with_changes({"whels": None})


def test_dotted_keys_nest():
    assert unflatten({"a.b": 1, "a.c.d": 2, "e": 3}) == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}


def test_a_dotted_key_through_a_value_is_refused():
    for dotted in ({"a": 1, "a.b": 2}, {"a.b": 2, "a": 1}):
        with pytest.raises(ConfigError, match=r"`a\.b`"):
            unflatten(dotted)


def test_overrides_are_yaml_values():
    pairs = ["train.lr=1e-3", "a=true", "b=[1, 2]", "c=text", "d=null", "e={x: 1}", "f=a=b", "g=0.5", "h="]
    expected = {"a": True, "b": [1, 2], "c": "text", "d": None, "e": {"x": 1}, "f": "a=b", "g": 0.5, "h": None}
    assert parse_overrides(pairs) == {"train.lr": 0.001} | expected


@pytest.mark.parametrize("pair", ["lr", "=3", "a=[1", "a=b: c: d"])
def test_an_override_that_cannot_be_read_is_refused(pair: str):
    with pytest.raises(ConfigError, match=r"KEY=VALUE|not valid YAML") as caught:
        parse_overrides(["fine=1", pair])
    assert f"`{pair}`" in str(caught.value)


def test_digests_change_with_any_value_and_not_with_the_order_of_keys():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 1, "b": 3})
    assert Car().digest() == Car.parse({}).digest() != Car(engine=Petrol(cylinders=5)).digest()
    assert len(Car().digest()) == 12


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "Cannot read"),
        (b"a: [1", "not valid YAML"),
        (b"- 1\n- 2", "holds list"),
        (b"", "holds NoneType"),
        (b"\xff\xfe\x00", "Cannot read"),
    ],
)
def test_a_file_that_holds_no_config_is_refused_by_name(tmp_path: Path, content: bytes | None, sentence: str):
    path = tmp_path / "car.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


def test_yaml_reads_numbers_with_exponents_as_people_write_them(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("lr: 3e-4\n")
    assert read_yaml(path) == {"lr": 3e-4}
