"""Held-out error of continuous image tokens, teacher-forced, for heads whose loss is no likelihood.

Skill: 0 = the best prediction that is the same for every picture, place by place (under a cosine the mean direction, under
squared error the mean), 1 = every token as it is. The constant is chosen with hindsight on the very pictures of the exam,
which errs on the strict side.
"""

from __future__ import annotations

import numpy as np

from bothways.evaluate.metrics import LEAST_ROOM, skill
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured


def measure(paper: Paper) -> list[Measured]:
    """`tokens/image/UNIT`, e.g. `tokens/image/one_minus_cosine` (lower is better), and `tokens/image/skill`."""
    lines = [line for line in paper.of_kind("drawing") if line.error is not None]
    if not lines:
        return []
    ids, pictures = [line.id for line in lines], [line.picture for line in lines]
    errors = np.array([line.error for line in lines])
    blind, unit = float(np.mean([line.blind_error for line in lines])), paper.exam.image_unit
    worth = skill(float(errors.mean()), blind, 0.0, higher_is_better=False)
    found = [
        Measured(
            f"tokens/image/{unit}", unit, ids, pictures, errors.tolist(), chance=blind, ceiling=0.0, skill=worth,
            higher_is_better=False,
        )
    ]  # fmt: skip
    if blind >= LEAST_ROOM:
        values = (1 - errors / blind).tolist()
        found.append(Measured("tokens/image/skill", "skill", ids, pictures, values, chance=0.0, ceiling=1.0, skill=worth))
    return found
