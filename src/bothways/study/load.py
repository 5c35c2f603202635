"""A study by name or from a file.

A study file is YAML with the keys of `Study`; `like` may name a study whose values it starts from. `seeds` and `changes` of the
command line are part of what is registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bothways.core.catalogue import Catalogue
from bothways.core.config import read_yaml
from bothways.core.errors import ConfigError
from bothways.core.rundir import RunDir
from bothways.study.study import Study


@dataclass(frozen=True)
class Known:
    """The studies that have a name; `made`: those that are functions of their base."""

    studies: Catalogue
    made: Catalogue

    def load(self, name: str, base: str | None) -> Study:
        """Over its own base, or over another one."""
        if base is not None and name in self.made:
            return self.made.load(name)(base)
        found = self.studies.load(name)
        if not isinstance(found, Study):
            raise ConfigError(f"`{name}` is {type(found).__name__}; expected a study.")
        return found


def load_study(
    name: str,
    known: Known,
    seeds: Sequence[int] | None = None,
    changes: dict[str, Any] | None = None,
    base: str | None = None,
) -> Study:
    """The study of that name in the catalogue, or in that YAML file, with other seeds and more changes of its base. `base`: the
    recipe or run that it is to stand on instead of its own.

    Raises: ConfigError when there is none, or a value does not fit; RunError where `base` is a folder and no run.
    """
    base = None if base is None else base_of(base)
    found = _found(name, known, base)
    more: dict[str, Any] = {"base_changes": {**found.base_changes, **(changes or {})}}
    if seeds is not None:
        more["seeds"] = list(seeds)
    if base is not None:
        more |= {"base": base, "reproduce": f"{found.reproduce} --base {base}"}
    return Study.parse(found.to_dict() | more, where=f"study {name}")


def base_of(recipe_or_run: str) -> str:
    """What a study can stand on: a recipe as it is named; of a run, the file with its recipe.

    Raises: RunError for a folder that is no run.
    """
    return str(RunDir.open(recipe_or_run).config_path) if Path(recipe_or_run).is_dir() else recipe_or_run


def _found(name: str, known: Known, base: str | None, above: tuple[Path, ...] = ()) -> Study:
    """`above`: study files that are like this one."""
    if name.endswith((".yaml", ".yml")):
        return _read(Path(name), known, base, above)
    return known.load(name, base)


def _read(path: Path, known: Known, base: str | None, above: tuple[Path, ...]) -> Study:
    if path.resolve() in above:
        names = (one.name for one in (*above, path))
        raise ConfigError(f"The study {path} is to be like itself ({' -> '.join(names)}); end the circle.")
    values = {"name": path.stem, "reproduce": f"bothways study run {path}", **read_yaml(path)}
    like = values.pop("like", None)
    if like is not None and not isinstance(like, str):
        raise ConfigError(f"{path} has like: {like!r}; expected the name of a study or a path to a YAML file.")
    inner = {} if like is None else _found(like, known, base or values.get("base"), (*above, path.resolve())).to_dict()
    return Study.parse(inner | values, where=str(path))
