"""From a study to its runs, without torch: the resolved config of every arm, what differs, and what each arm gets to see.

Arms that differ in anything undeclared are refused, because then no difference in scores could be put down to the axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bothways.core.config import Config
from bothways.core.errors import ConfigError
from bothways.data.configs import WorldSourceConfig
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.study.axes import lies_on
from bothways.study.budget import refuse_unmet
from bothways.study.primary import refuse_unmeasured
from bothways.study.study import Study

SOURCES, STEPS = "data.sources", "train.steps"
ABSENT = "absent"


@dataclass(frozen=True)
class ArmDifference:
    """One key that is not the same in all arms; `values` by arm."""

    key: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """`configs`: arm -> seed -> config. `samples`: source -> arm -> samples over the whole run. `steps` by arm."""

    study: Study
    configs: dict[str, dict[int, Config]]
    differences: tuple[ArmDifference, ...]
    samples: dict[str, dict[str, int]]
    steps: dict[str, int]


def plan_of(study: Study) -> Plan:
    """The plan over the study's own base recipe, on the world that it names.

    Raises: ConfigError as `plan`, when an arm has sources of another world than its recipe's, and when a primary measure is
    none of the recipe's exam.
    """
    moved = {"world.kind": study.base_world} if study.base_world else None
    planned = plan(study, load_recipe(study.base, moved, kind="model"))
    first = {arm: by_seed[study.seeds[0]] for arm, by_seed in planned.configs.items()}
    for arm, recipe in first.items():
        _refuse_strangers(study, arm, recipe)
    refuse_unmeasured(study, first)
    return planned


def plan(study: Study, base: Config) -> Plan:
    """Resolves all arms of a study over its base config (`base_changes` are applied here).

    Raises: ConfigError when a change does not fit the config, arms differ outside the declared axis, or what the
    study matches is not the same in both arms of a comparison.
    """
    whole = base.with_changes(study.base_changes)
    configs = {
        arm.name: {seed: whole.with_changes({**dict.fromkeys(study.seed_keys, seed), **arm.changes}) for seed in study.seeds}
        for arm in study.arms
    }
    first = {name: by_seed[study.seeds[0]].to_dict() for name, by_seed in configs.items()}
    differences = _differences({name: flatten(config) for name, config in first.items()})
    _refuse_undeclared(study, differences)
    _refuse_confounded(study, differences)
    steps = {name: int(_at(config, STEPS)) for name, config in first.items()}
    per_step = {
        name: {source: one["samples_per_step"] for source, one in _at(config, SOURCES).items()}
        for name, config in first.items()
    }
    if study.matching == "own-task samples":
        _refuse_unmatched(study, per_step, steps)
    elif study.matching != "none":
        refuse_unmet(study, {name: by_seed[study.seeds[0]] for name, by_seed in configs.items()})
    sources = sorted({source for one in per_step.values() for source in one})
    samples = {source: {name: per_step[name].get(source, 0) * steps[name] for name in first} for source in sources}
    return Plan(study, configs, tuple(differences), samples, steps)


def _refuse_strangers(study: Study, arm: str, recipe: Recipe) -> None:
    """A study of one world that is put on a recipe of another would change sources that nobody takes samples of."""
    world = recipe.world.kind
    for name, source in recipe.data.sources.items():
        room = name.partition("/")[0]
        if isinstance(source, WorldSourceConfig) and room != world:
            raise ConfigError(
                f"The arm `{arm}` of study `{study.name}` has the source `{name}`, and `{study.base}` is a recipe of the world "
                f"{world}; give a base of the world {room}."
            )


def flatten(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; empty mappings stay as values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        at = f"{path}.{key}" if path else str(key)
        flat |= flatten(value, at) if isinstance(value, Mapping) and value else {at: value}
    return flat


def _differences(flat: Mapping[str, Mapping[str, Any]]) -> list[ArmDifference]:
    keys = list(dict.fromkeys(key for one in flat.values() for key in one))
    found = []
    for key in keys:
        values = {name: one.get(key, ABSENT) for name, one in flat.items()}
        if any(value != next(iter(values.values())) for value in values.values()):
            found.append(ArmDifference(key, values))
    return found


def _refuse_confounded(study: Study, differences: list[ArmDifference]) -> None:
    """The two arms of a comparison with an axis of its own differ in nothing else, although other arms may."""
    for comparison in study.comparisons:
        for difference in differences:
            treated, plain = (difference.values[arm] for arm in (comparison.treatment, comparison.control))
            own = study.axis if comparison.axis is None else comparison.axis
            asked = (*own, *study.tuned_keys)
            if treated != plain and not lies_on(asked, difference.key):
                raise ConfigError(
                    f"{comparison.treatment} and {comparison.control} differ in `{difference.key}` ({treated!r}, {plain!r}), "
                    f"which comparison `{comparison.name}` does not ask about ({', '.join(asked)}); compare arms "
                    "that differ in that alone."
                )


def _refuse_undeclared(study: Study, differences: list[ArmDifference]) -> None:
    for difference in differences:
        if not lies_on((*study.axis, *study.tuned_keys), difference.key):
            values = ", ".join(f"{name} {value!r}" for name, value in difference.values.items())
            raise ConfigError(
                f"The arms of study `{study.name}` differ in `{difference.key}` ({values}), which is not on its axis "
                f"({', '.join(study.axis)}); make it equal, or declare it."
            )


def _refuse_unmatched(study: Study, per_step: dict[str, dict[str, int]], steps: dict[str, int]) -> None:
    """A source that two arms share must give both the same samples at the same step."""
    for comparison in study.comparisons:
        pair = (comparison.treatment, comparison.control)
        if steps[pair[0]] != steps[pair[1]]:
            raise ConfigError(
                f"{pair[0]} takes {steps[pair[0]]} steps and {pair[1]} {steps[pair[1]]}; "
                "matched own-task samples need equal steps."
            )
        shared = [s for s in per_step[pair[0]] if per_step[pair[0]][s] and per_step[pair[1]].get(s)]
        for source in shared:
            counts = [per_step[arm][source] for arm in pair]
            if counts[0] != counts[1]:
                raise ConfigError(
                    f"{pair[0]} takes {counts[0]} samples of {source} a step and {pair[1]} {counts[1]}; "
                    "matched own-task samples need the same number: change one, or set matching: none."
                )
        if not shared:
            raise ConfigError(
                f"{pair[0]} and {pair[1]} share no source, so `{comparison.name}` compares nothing that both learn."
            )


def _at(config: Mapping[str, Any], dotted: str) -> Any:
    value: Any = config
    for key in dotted.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise ConfigError(f"The base config has no `{dotted}`; a study needs it to count samples.")
        value = value[key]
    return value
