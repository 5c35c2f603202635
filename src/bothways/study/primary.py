"""Is what a study rests on measured at all? It is asked when it is planned, not when a night of training is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bothways.core.errors import ConfigError, unknown
from bothways.evaluate.measurable import measurable
from bothways.recipes.recipe import Recipe
from bothways.recipes.sources import EDITING, trains
from bothways.study.study import Arm, Comparison, Study

LEAST_EXAMS = 3  # during training, for a comparison of when a level is reached
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
            if comparison.reaches is not None:
                _refuse_unwatched(comparison, recipe)
            known = measurable(recipe.world.build(), _asked(arm, recipe))
            if comparison.primary.startswith(f"{BY_HEAD}/") or comparison.primary in known:
                continue
            what = f"measure of `{arm.name}` in the world {recipe.world.kind}, on which comparison `{comparison.name}` rests:"
            raise ConfigError(unknown(what, comparison.primary, _near(comparison.primary, known)))


def _refuse_unwatched(comparison: Comparison, recipe: Recipe) -> None:
    """Raises: ConfigError where too few exams are sat during training to say when a level is reached."""
    milestones = recipe.train.milestones
    if (milestones if isinstance(milestones, int) else len(milestones)) < LEAST_EXAMS:
        raise ConfigError(
            f"Comparison `{comparison.name}` asks when {comparison.reaches:g} is reached, and train.milestones is {milestones}"
            f"; set {LEAST_EXAMS} steps or more at which runs are examined."
        )
    if comparison.primary.startswith("drawing/") and not recipe.exam.num_drawings_between:
        raise ConfigError(
            f"Comparison `{comparison.name}` asks when {comparison.reaches:g} is reached in drawing, and nothing is drawn "
            "during training; set exam.num_drawings_between to 100."
        )


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
