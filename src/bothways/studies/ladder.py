"""The control ladder, the same in both directions: which part of what the other task brings is it that helps?

"The content helps" is said only where the model that does both beats the best of the rungs (`rungs.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bothways.core.errors import ConfigError, unknown
from bothways.data.configs import WorldSourceConfig, kind_of
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.recipes.sources import DRAWING, EDITING, READING
from bothways.studies.arms import HELD_FIXED
from bothways.studies.rungs import LADDER, Direction, Rung, Side
from bothways.study.card_arms import UNIFIED
from bothways.study.claim import Claim
from bothways.study.study import Arm, Comparison, Study

_KINDS: dict[Direction, tuple[str, ...]] = {"reading": READING, "drawing": DRAWING}


def ladder(
    base: str = "vq-vq",
    world: str | None = None,
    directions: tuple[Direction, ...] = ("reading", "drawing"),
    *,
    short: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> Study:
    """The ladder over any recipe of a world, every arm compared with the one that does both. `short`: each skill alone, the
    placebos that are hardest to beat, and unified. `changes`: dotted keys of the recipe, the same in every arm, and known to
    the rungs, which take samples and weights from it.

    Raises: ConfigError when there is no such recipe, world or direction, or the recipe does not train both skills.
    """
    changes = dict(changes or {})
    recipe = load_recipe(base, ({"world.kind": world} if world else {}) | changes, kind="model")
    sides = [side_of(recipe, direction) for direction in directions]
    rungs = [(side, rung) for side in sides for rung in LADDER[side.skill] if rung.short or not short]
    of = recipe.world.build()
    name = "ladder-short" if short else "ladder"
    unedited = {f"data.sources.{source}.samples_per_step": 0 for source in _taken(recipe, EDITING)}
    return Study(
        name=name,
        title="What of the other task helps a skill: its pictures, its loss, or what it says?",
        question=(
            "A model that reads and draws is compared, in either skill, with models that have everything of the other task but "
            "one thing. Does it beat the best of them?"
        ),
        claim="What one task says of its pictures helps the other skill, in both directions (P1, claim 1).",
        expectation=(
            "No gain over the best placebo of more than 0.05 in either direction at this size. Reading with weightless "
            "drawings equals reading alone; shuffled requests and answers do no better than it."
        ),
        base=base,
        base_world=world,
        base_changes={"train.threads": 1, **unedited, **changes},
        arms=(*(_arm(side, rung) for side, rung in rungs), Arm(name=UNIFIED, about="does both")),
        comparisons=tuple(_comparison(side, rung, of.primary) for side, rung in rungs),
        claims=_claims(rungs),
        axis=("data.sources", "train.weights"),
        held_fixed=(
            *HELD_FIXED,
            "of the other task, where its pictures are seen: which ones, at which step",
        ),
        controls=(
            "Every comparison is the unified arm minus a control; that the content helps rests on the best placebo, the one "
            "that it beats by least, and not on the skill alone.",
            "Alone with more data takes as many samples a step as the unified arm; samples of the two tasks differ in tokens, "
            "so computation is matched about and not exactly.",
            "No setting was tuned for an arm: learning rate and weights are the recipe's.",
            *(("The recipe edits too; no arm here does.",) if unedited else ()),
        ),
        gates=of.gates,
        reproduce=f"bothways study run {name}",
    )


def side_of(recipe: Recipe, direction: Direction) -> Side:
    """One skill of a recipe that trains both. Raises: ConfigError as `ladder`."""
    if direction not in LADDER:
        raise ConfigError(unknown("direction of a ladder:", direction, LADDER))
    taken = {name: source for name, source in recipe.data.sources.items() if source.samples_per_step}
    strange = [name for name, source in taken.items() if not isinstance(source, WorldSourceConfig)]
    found = {skill: _taken(recipe, kinds) for skill, kinds in _KINDS.items()}
    for skill, sources in found.items():
        if strange or not sources:
            what = f"takes `{strange[0]}`, whose pictures no world knows" if strange else f"trains no {skill}"
            raise ConfigError(
                f"The recipe `{recipe.name}` {what}; a ladder needs one that reads and draws pictures of a world and has no "
                "other data."
            )
    other: Direction = "drawing" if direction == "reading" else "reading"
    return Side(direction, found[direction], found[other], recipe)


def _taken(recipe: Recipe, kinds: tuple[str, ...]) -> dict[str, int]:
    """Samples a step of the recipe's sources of these kinds, those that give none left out."""
    sources = recipe.data.sources.items()
    return {name: one.samples_per_step for name, one in sources if one.samples_per_step and kind_of(name) in kinds}


def _name(side: Side, rung: Rung) -> str:
    return f"{side.skill}-{rung.name}"


def _arm(side: Side, rung: Rung) -> Arm:
    does = "reads" if side.skill == "reading" else "draws"
    return Arm(
        name=_name(side, rung),
        about=f"{does}; {rung.about}",
        changes=rung.changes(side),
        reads=side.skill == "reading",
        draws=side.skill == "drawing",
    )


def _comparison(side: Side, rung: Rung, primary: Mapping[str, str]) -> Comparison:
    changed = [key.split(".")[0] for key in rung.changes(side)]
    return Comparison(
        name=_name(side, rung),
        question=f"Does {side.skill} gain from {rung.beyond}?",
        treatment=UNIFIED,
        control=_name(side, rung),
        axis=tuple(axis for axis in ("data.sources", "train.weights") if axis.split(".")[0] in changed),
        primary=f"{side.skill}/{primary[side.skill]}/skill",
    )


def short(base: str = "vq-vq") -> Study:
    """The short ladder over any recipe."""
    return ladder(base, short=True)


def _claims(rungs: Sequence[tuple[Side, Rung]]) -> tuple[Claim, ...]:
    """That the content helps, skill by skill; and with both skills, that it does so in both and in one at least."""
    sides = {side.skill: side for side, _ in rungs}
    helps = tuple(_helps(side, [rung for own, rung in rungs if own is side]) for side in sides.values())
    if len(helps) < 2:
        return helps
    over = tuple(claim.name for claim in helps)
    both = Claim(name="mutual", sentence="In both directions the content of the other task helps.", kind="all", over=over)
    one = Claim(
        name="one-direction", sentence="In one direction at least the content of the other task helps.", kind="some", over=over
    )
    return (*helps, both, one)


def _helps(side: Side, rungs: Sequence[Rung]) -> Claim:
    other = "drawing" if side.skill == "reading" else "reading"
    alone, *placebos = (_name(side, rung) for rung in rungs)
    return Claim(
        name=f"{side.skill}-helped",
        sentence=f"What {other} says of its pictures helps {side.skill}.",
        kind="best placebo",
        over=tuple(placebos),
        alone=alone,
    )


FULL = ladder()
SHORT = short()
