"""Axes: the dotted keys, or their beginnings, in which arms may differ, and when two of them claim the same thing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bothways.core.errors import ConfigError

if TYPE_CHECKING:
    from bothways.study.study import Study


def lies_on(axis: Iterable[str], key: str) -> bool:
    """Whether a key is one of the axis' keys or lies below one."""
    return any(key == one or key.startswith(f"{one}.") for one in axis)


def check_axes(study: Study) -> None:
    """Every key has one claimant: an axis names nothing twice, an arm sets nothing that seeds set, no two comparisons ask the
    same of the same arms, and an axis of a comparison is a part of the study's. Raises: ConfigError naming both claims."""
    _refuse_twice(f"The axis of study `{study.name}`", study.axis)
    for comparison in study.comparisons:
        axis = comparison.axis or ()
        _refuse_twice(f"The axis of comparison `{comparison.name}`", axis)
        outside = [key for key in axis if not lies_on(study.axis, key)]
        if outside:
            raise ConfigError(
                f"The axis of comparison `{comparison.name}` names `{outside[0]}`, which is not on the study's "
                f"({', '.join(study.axis)}); add it there, or take it out here."
            )
    for arm in study.arms:
        for key in arm.changes:
            seeded = [seed for seed in study.seed_keys if lies_on([key], seed) or lies_on([seed], key)]
            if seeded:
                raise ConfigError(
                    f"Arm `{arm.name}` changes `{key}`, and the study's seeds set `{seeded[0]}` in every arm alike; take it "
                    "out of the arm, or out of seed_keys."
                )
    _refuse_asked_twice(study)


def _refuse_twice(what: str, axis: tuple[str, ...]) -> None:
    for at, key in enumerate(axis):
        others = [other for place, other in enumerate(axis) if place != at and lies_on([other], key)]
        if others:
            raise ConfigError(f"{what} names `{key}` and `{others[0]}`, which overlap; leave `{key}` out.")


def _refuse_asked_twice(study: Study) -> None:
    asked: dict[tuple[str, str, str], str] = {}
    for one in study.comparisons:
        first = asked.setdefault((one.treatment, one.control, one.primary), one.name)
        if first != one.name:
            raise ConfigError(
                f"The comparisons `{first}` and `{one.name}` ask the same: {one.treatment} against {one.control} on "
                f"{one.primary}; leave one out."
            )
