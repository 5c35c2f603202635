"""What is trained: names of parts whose weights stay as they are, found in the model that was built.

    [backbone]                       every weight of the backbone
    [given_projector, head]          two parts
    [backbone.layers.0-1]            its first two layers
    [all, -head]                     all but the head
    [backbone, -backbone.layers.3]   the backbone, all but one layer
    [all, -backbone.drawing_layers]  all but the copies of top layers that positions that draw have (backbones/branch.py)

Names are taken in order, and the last that names a weight decides. A part is a name as `named_modules` and
`named_parameters` have it; the wrappers inside a backbone (`lm.model.`) may be left out. A shared projector is one part with
two names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torch import nn

from bothways.backbones.branch import unsplit
from bothways.core.errors import ConfigError, unknown

ALL = "all"
_RANGE = re.compile(r"^(\d+)-(\d+)$")
_WRAPPERS = ("lm.model.", "lm.")  # between a backbone and the names that people know


def freeze(model: nn.Module, names: Sequence[str]) -> None:
    """Freezes the named parts, and trains again those named with a minus. Weights that no name covers stay as they are.

    Raises: ConfigError for a name that fits no part (with the nearest ones), and when nothing is left to train.
    """
    if not names:
        return
    parts = _parts(model)
    for name in names:
        for parameter in _named(parts, name.removeprefix("-")):
            parameter.requires_grad_(name.startswith("-"))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(f"model.frozen is [{', '.join(names)}], which leaves nothing to train; name fewer parts.")


def counts(model: nn.Module) -> dict[str, dict[str, int]]:
    """Numbers of weights, `all` of them and by part: {"all": {"total", "trained"}, "backbone": ...}; tied ones count once."""
    found = {ALL: {"total": 0, "trained": 0}}
    for name, parameter in model.named_parameters():
        for key in (ALL, name.split(".")[0]):
            part = found.setdefault(key, {"total": 0, "trained": 0})
            part["total"] += parameter.numel()
            part["trained"] += parameter.numel() if parameter.requires_grad else 0
    return found


def _named(parts: dict[str, list[nn.Parameter]], name: str) -> Iterator[nn.Parameter]:
    for one in _spelled_out(name):
        if one not in parts:
            raise ConfigError(unknown("part in model.frozen:", one, _shown(parts, one)))
        yield from parts[one]


def _parts(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Every name that a part can be called by, and its weights."""
    parts: dict[str, list[nn.Parameter]] = {ALL: list(model.parameters())}
    for full, parameter in model.named_parameters(remove_duplicate=False):
        for name in {full, _short(full)}:
            words = name.split(".")
            for length in range(1, len(words) + 1):
                parts.setdefault(".".join(words[:length]), []).append(parameter)
    return parts


def _short(name: str) -> str:
    room, _, rest = name.partition(".")
    wrapper = next((wrapper for wrapper in _WRAPPERS if rest.startswith(wrapper)), "")
    return f"{room}.{_by_side(rest.removeprefix(wrapper))}" if wrapper else name


def _by_side(name: str) -> str:
    """`layers.3.mlp.up_proj.drawing.weight` as `drawing_layers.3.mlp.up_proj.weight`, and the shared side as if there were
    no other."""
    return f"drawing_{unsplit(name)}" if ".drawing." in name else unsplit(name)


def _spelled_out(name: str) -> Iterator[str]:
    """`a.0-2.b` as `a.0.b`, `a.1.b`, `a.2.b`; one by one, as a range may be of any length."""
    word, dot, rest = name.partition(".")
    ends = _RANGE.match(word)
    if ends and int(ends[1]) > int(ends[2]):
        raise ConfigError(f"model.frozen names `{word}`, a range that ends before it begins; write the smaller number first.")
    for first in [word] if ends is None else map(str, range(int(ends[1]), int(ends[2]) + 1)):
        yield from (f"{first}.{more}" for more in _spelled_out(rest)) if dot else [first]


def _shown(parts: dict[str, list[nn.Parameter]], name: str) -> list[str]:
    """The names worth telling: the neighbours of the one that was asked for, else what all names begin with."""
    room, _, _ = name.rpartition(".")
    beside = [part for part in parts if part.rpartition(".")[0] == room]
    found = beside or [part for part in parts if "." not in part]
    return [part for part in found if not any(f".{w}" in f"{part}." for w in _WRAPPERS)]
