"""A study by name or from a file.

A study file is YAML with the keys of `Study`; `like` may name a study whose values it starts from. `seeds` and `changes` of the
command line are part of what is registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bothways.core.catalogue import Catalogue
from bothways.core.config import read_yaml
from bothways.core.errors import ConfigError
from bothways.study.study import Study


def load_study(name: str, known: Catalogue, seeds: Sequence[int] | None = None, changes: dict[str, Any] | None = None) -> Study:
    """The study of that name in the catalogue, or in that YAML file, with other seeds and more changes of its base.

    Raises: ConfigError when there is none, or a value does not fit.
    """
    found = _found(name, known)
    more: dict[str, Any] = {"base_changes": {**found.base_changes, **(changes or {})}}
    if seeds is not None:
        more["seeds"] = list(seeds)
    return Study.parse(found.to_dict() | more, where=f"study {name}")


def _found(name: str, known: Catalogue, above: tuple[Path, ...] = ()) -> Study:
    """`above`: study files that are like this one."""
    found = _read(Path(name), known, above) if name.endswith((".yaml", ".yml")) else known.load(name)
    if not isinstance(found, Study):
        raise ConfigError(f"`{name}` is {type(found).__name__}; expected a study.")
    return found


def _read(path: Path, known: Catalogue, above: tuple[Path, ...]) -> Study:
    if path.resolve() in above:
        names = (one.name for one in (*above, path))
        raise ConfigError(f"The study {path} is to be like itself ({' -> '.join(names)}); end the circle.")
    values = {"name": path.stem, "reproduce": f"bothways study run {path}", **read_yaml(path)}
    like = values.pop("like", None)
    if like is not None and not isinstance(like, str):
        raise ConfigError(f"{path} has like: {like!r}; expected the name of a study or a path to a YAML file.")
    base = {} if like is None else _found(like, known, (*above, path.resolve())).to_dict()
    return Study.parse(base | values, where=str(path))
