"""Budgets: in what a study matches its arms, what each arm spends of it, and how an arm is made to meet another's.

Matched own-task samples (and with them steps) are told from the recipe alone, see plan.py. Pairs, tokens and operations follow
from the layout of samples; only operations need the model, which is then built without weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bothways.core.errors import ConfigError
from bothways.recipes.recipe import Recipe
from bothways.recipes.seen import Seen, seen_of
from bothways.study.study import Budget, Study

TOLERANCE = 0.02  # by how much two arms may differ in what is matched: a step or a sample more or less is no other budget


@dataclass(frozen=True)
class Price:
    """What one sample of each source spends of a budget, and each step beside its samples."""

    samples: dict[str, float]
    step: float = 0.0

    def of(self, recipe: Recipe) -> float:
        """What a whole run spends."""
        return recipe.train.steps * self.of_step(_taken(recipe))

    def of_step(self, taken: Mapping[str, int]) -> float:
        return self.step + sum(number * self.samples[name] for name, number in taken.items())


def price_of(recipe: Recipe, budget: Budget) -> Price:
    """Loads torch for FLOPs alone. Raises: ConfigError or DataError when a part or a source cannot be had."""
    if budget == "FLOPs":
        return _price_in_flops(recipe)
    return Price({name: _of_sample(seen, budget) for name, seen in seen_of(recipe).items()})


def _of_sample(seen: Seen, budget: Budget) -> float:
    return {"own-task samples": seen.samples, "image-text pairs": seen.pairs, "tokens": seen.tokens}[budget]


def _price_in_flops(recipe: Recipe) -> Price:
    from bothways.recipes.flops import total
    from bothways.recipes.spending import spending_of

    spent, steps = spending_of(recipe), recipe.train.steps
    each = {name: total(parts.values()) / spent.seen[name].samples for name, parts in spent.sources.items()}
    return Price(each, spent.optimizer / steps)


def refuse_unmet(study: Study, recipes: Mapping[str, Recipe]) -> None:
    """Every comparison has two arms that spend the same of what the study matches. `recipes`: arm -> its recipe.

    Raises: ConfigError naming both arms, what they spend, and the steps that would make them equal.
    """
    budget = study.matching
    prices = {arm: price_of(recipe, budget) for arm, recipe in recipes.items()}
    spent = {arm: price.of(recipes[arm]) for arm, price in prices.items()}
    for comparison in study.comparisons:
        treatment, control = comparison.treatment, comparison.control
        if not _equal(spent[treatment], spent[control]):
            raise ConfigError(
                f"{treatment} spends {_told(spent[treatment])} {budget} and {control} {_told(spent[control])}, and study "
                f"`{study.name}` matches {budget} within {TOLERANCE:.0%}; "
                f"{_advice(control, recipes[control], prices[control], spent[treatment])}, or set matching: none."
            )


def _advice(arm: str, recipe: Recipe, price: Price, target: float) -> str:
    steps = _nearest_steps(recipe, price, target)
    if _equal(steps * price.of_step(_taken(recipe)), target):
        return f"give {arm} train.steps={steps} in place of {recipe.train.steps}, or other samples_per_step"
    return f"no whole number of steps makes {arm} meet it, so give it other samples_per_step"


def steps_to_meet(recipe: Recipe, budget: Budget, target: float) -> dict[str, Any]:
    """The change of an arm (dotted key -> value) that makes it spend `target` in more or fewer steps of the same samples.

    Raises: ConfigError when no whole number of steps does, within the tolerance.
    """
    price = price_of(recipe, budget)
    steps = _nearest_steps(recipe, price, target)
    _refuse_missed(recipe, budget, steps * price.of_step(_taken(recipe)), target, "train.steps")
    return {"train.steps": steps}


def samples_to_meet(recipe: Recipe, budget: Budget, target: float) -> dict[str, Any]:
    """The same in larger or smaller steps: as many steps, samples of all sources in their proportions.

    Raises: ConfigError when no whole numbers of samples do, within the tolerance.
    """
    price, taken = price_of(recipe, budget), _taken(recipe)
    own = price.of_step(taken) - price.step
    times = (target / recipe.train.steps - price.step) / own if own else 1
    scaled = {name: max(1, round(times * number)) for name, number in taken.items()}
    _refuse_missed(recipe, budget, recipe.train.steps * price.of_step(scaled), target, "data.sources.*.samples_per_step")
    return {f"data.sources.{name}.samples_per_step": number for name, number in scaled.items()}


def amount(recipe: Recipe, budget: Budget) -> float:
    """What a whole run of a recipe spends of a budget: the `target` of an arm that is to meet it. Raises: as `price_of`."""
    return price_of(recipe, budget).of(recipe)


def _nearest_steps(recipe: Recipe, price: Price, target: float) -> int:
    """At least one; any number will do where steps spend nothing (pairs of an arm of text alone), which then misses."""
    each = price.of_step(_taken(recipe))
    return max(1, round(target / each)) if each else 1


def _taken(recipe: Recipe) -> dict[str, int]:
    return {name: source.samples_per_step for name, source in recipe.data.sources.items() if source.samples_per_step}


def _equal(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * other


def _refuse_missed(recipe: Recipe, budget: Budget, found: float, target: float, key: str) -> None:
    if not _equal(found, target):
        raise ConfigError(
            f"`{recipe.name}` cannot spend {_told(target)} {budget} by whole numbers of {key}: the nearest is {_told(found)}, "
            f"and {TOLERANCE:.0%} more or less is allowed; take smaller steps, or more of them."
        )


def _told(amount: float) -> str:
    """38,400; 3.64e+13."""
    return f"{amount:,.0f}" if amount < 1e9 else f"{amount:.3g}"
