"""A recipe's values from YAML: those of the recipe it is based on, under its own. No torch here.

`base: vq-vq` takes over everything but name and header line, so a cell of a grid says only in what it differs. A part with
another `kind` replaces the base's part; everything else is merged key by key. The resolved config in a run folder has no base.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bothways.core.config import merge, read_yaml
from bothways.core.errors import ConfigError, unknown
from bothways.recipes import FOLDER

OWN = ("name", "about")  # what a recipe does not take over from its base


def names() -> list[str]:
    """Every recipe that ships."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path_of(name: str, beside: Path = Path()) -> Path:
    """The recipe of that name, or the YAML file (found from `beside`, a folder). Raises: ConfigError when there is none."""
    path = beside / name if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(unknown("recipe", name, names()) + " A path to a YAML file works too.")
    return path


def read_recipe(path: Path, *above: Path) -> dict[str, Any]:
    """The values of a recipe over those of its base, and so on down. `above`: recipes that are based on this one.

    Raises: ConfigError when a base is missing, or the recipe is its own base.
    """
    if path in above:
        raise ConfigError(
            f"The recipe {path} is its own base ({' -> '.join(one.stem for one in (*above, path))}); end the circle."
        )
    own = read_yaml(path)
    base = own.pop("base", None)
    if base is None:
        return own
    if not isinstance(base, str):
        raise ConfigError(f"{path} has the base {base!r}; expected the name of a recipe or a path to a YAML file.")
    below = read_recipe(path_of(base, path.parent), *above, path)
    return merge({key: value for key, value in below.items() if key not in OWN}, own)
