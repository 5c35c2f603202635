"""Is what a study rests on measured at all? It is asked when it is planned, not when a night of training is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bothways.core.errors import ConfigError, unknown
from bothways.evaluate.measurable import measurable
from bothways.recipes.recipe import Recipe
from bothways.recipes.sources import EDITING, trains
from bothways.study.study import Arm, Study

BY_HEAD = "tokens"  # these are named after the unit of the head's loss, which only the built head knows


def refuse_unmeasured(study: Study, recipes: Mapping[str, Recipe]) -> None:
    """`recipes`: arm -> its recipe. Raises: ConfigError naming a primary measure that an arm's exam does not give, and the ones
    near it that it does."""
    for comparison in study.comparisons:
        for arm in map(study.arm, (comparison.treatment, comparison.control)):
            recipe = recipes[arm.name]
            if arm.draws and comparison.primary.startswith("drawing/") and not recipe.exam.num_drawings:
                raise ConfigError(
                    f"The exam draws nothing (exam.num_drawings 0), so `{comparison.primary}` cannot be judged; set it to 20 "
                    "or more."
                )
            known = measurable(recipe.world.build(), _asked(arm, recipe))
            if comparison.primary.startswith(f"{BY_HEAD}/") or comparison.primary in known:
                continue
            what = f"measure of `{arm.name}` in the world {recipe.world.kind}, on which comparison `{comparison.name}` rests:"
            raise ConfigError(unknown(what, comparison.primary, _near(comparison.primary, known)))


def _asked(arm: Arm, recipe: Recipe) -> list[str]:
    """Kinds of items in the arm's last exam."""
    exam = recipe.exam
    asked = {
        "question": arm.reads,
        "caption": arm.reads,
        "drawing": arm.draws and exam.num_drawings,
        "open_drawing": arm.draws and exam.num_open_drawings,
        "edit": exam.num_edits and trains(recipe, EDITING),
    }
    return [kind for kind, asks in asked.items() if asks]


def _near(measure: str, known: Iterable[str]) -> list[str]:
    """What else is measured of the same thing; else the same of other things of that kind; else all of that kind; else all."""
    kind, level, what = measure.split("/")
    tried = (
        [name for name in known if name.startswith(f"{kind}/{level}/")],
        [name for name in known if name.startswith(f"{kind}/") and name.endswith(f"/{what}")],
        [name for name in known if name.startswith(f"{kind}/")],
        list(known),
    )
    return next(some for some in tried if some)
