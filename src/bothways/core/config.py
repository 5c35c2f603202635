"""Configs: frozen pydantic models, unknown keys refused with the nearest names, YAML on disk, dotted overrides.

A field that holds a part (a tokenizer, a head, a world) is typed by the room's abstract config (`part`); its `kind` is
looked up in the room's catalogue, so only the file of that kind is imported and no list of all parts exists. Arms of a
study are made by merging dicts and validating again, because pydantic's `model_copy(update=...)` does not validate.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny, ValidationError

from bothways.core.catalogue import Catalogue
from bothways.core.errors import ConfigError, unknown

Dtype = Literal["float32", "bfloat16"]  # of products; weights, norms and sums stay float32 where it is bfloat16


class Config(BaseModel):
    """Base of every config class: immutable, typed, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: dict[str, Any], where: str = "config") -> Self:
        """Validated config. Raises: ConfigError naming the key, what was found and what was expected."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(_sentence(cls, values, error, where)) from None

    def with_changes(self, changes: dict[str, Any]) -> Self:
        """A new, validated config; `changes` maps dotted keys to values."""
        return type(self).parse(merge(self.to_dict(), unflatten(changes)))

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """Twelve hex digits that change when any value changes."""
        return digest_of(self.to_dict())


def part(base: type[Config], catalogue: Catalogue) -> Any:
    """The field type for a part: a mapping with a `kind` becomes the config class that the catalogue names."""

    def resolve(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "kind" not in value:
            found, known = sorted(value), ", ".join(catalogue)
            raise ConfigError(f"A {catalogue.what} needs a `kind`; found the keys {found}. Known: {known}.")
        return catalogue.load(value["kind"]).parse(value, where=f"{catalogue.what} {value['kind']}")

    return Annotated[SerializeAsAny[base], BeforeValidator(resolve)]


def digest_of(values: Any) -> str:
    """Twelve hex digits of a JSON-able value, independent of key order."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, dict by dict; None is a value like any other."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        # Another `kind` means another part: its settings replace the old ones instead of mixing with them.
        same_part = both and value.get("kind", merged[key].get("kind")) == merged[key].get("kind")
        merged[key] = merge(merged[key], value) if same_part else value
    return merged


def unflatten(dotted: dict[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} -> {"a": {"b": 1}}. Raises: ConfigError when one key lies inside another's value."""
    nested: dict[str, Any] = {}
    for key, value in sorted(dotted.items(), key=lambda item: item[0].count(".")):
        *path, last = key.split(".")
        at = nested
        for name in path:
            at = at.setdefault(name, {})
            if not isinstance(at, dict):
                raise ConfigError(f"Found changes to `{key}` and to a part of its path at once; leave one of them out.")
        at[last] = value
    return nested


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """["train.steps=10"] -> {"train.steps": 10}; values are YAML. Raises: ConfigError when a pair cannot be read."""
    dotted = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"Found the override `{pair}`; expected KEY=VALUE, for example train.steps=100.")
        try:
            dotted[key] = yaml.load(value, _Loader)
        except yaml.YAMLError as error:
            raise ConfigError(f"The value of `{pair}` is not valid YAML ({' '.join(str(error).split())}).") from None
    return dotted


class _Loader(yaml.SafeLoader):
    """YAML as people write numbers: 3e-4 is one, which YAML 1.1 takes for text."""


_EXPONENT = re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises: ConfigError when it is missing or not a mapping."""
    try:
        values = yaml.load(path.read_text(), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the config {path} ({error}); give a YAML file.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}; expected a mapping of config keys to values.")
    return values


def _sentence(cls: type[BaseModel], values: Any, error: ValidationError, where: str) -> str:
    found = error.errors()
    # A key written wrong explains the one that is missing; of the types that a value may have, the one meant gets furthest.
    wrong = [one for one in found if one["type"] == "extra_forbidden"]
    first = max(wrong or found, key=lambda one: len(_keys_to(one, values)))
    told = first["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")  # people write lists
    loc = _keys_to(first, values)
    if not loc:
        return f"In {where}: {told}."
    *path, last = loc
    place = ".".join([where, *map(str, path)])
    if first["type"] == "extra_forbidden":
        return unknown(f"key in {place}:", str(last), _keys(cls, path))
    key = ".".join(map(str, [*path, last]))
    if first["type"] == "missing":
        return f"In {where}, `{key}` is missing; set it."
    return f"In {where}, `{key}` is {first['input']!r}: {told}."


def _keys_to(error: Any, values: Any) -> list[int | str]:
    """The part of pydantic's path that people wrote: not the alternatives of a type that it names on the way, such as
    literal['a','b'] or RampConfig. The first is a field always, the last may be one that is missing."""
    loc, kept = error["loc"], []
    for at, name in enumerate(loc):
        inside = name in values if isinstance(values, dict) else isinstance(values, list | tuple) and isinstance(name, int)
        if inside:
            values = values[name]
        if inside or at == 0 or (at == len(loc) - 1 and error["type"] == "missing"):
            kept.append(name)
    return kept


def _keys(cls: type[BaseModel], path: list[Any]) -> list[str]:
    for name in path:
        field = cls.model_fields.get(str(name))
        inner = [t for t in _types(field.annotation) if isinstance(t, type) and issubclass(t, BaseModel)] if field else []
        if not inner:
            continue
        cls = inner[0]
    return [field.alias or name for name, field in cls.model_fields.items()]


def _types(annotation: Any) -> list[Any]:
    return [annotation, *(inner for arg in getattr(annotation, "__args__", ()) for inner in _types(arg))]
