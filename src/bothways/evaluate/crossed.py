"""A mean over seeds and pictures at once, with an interval that knows both.

Every pair of runs (seed) is asked about the same pictures, so a value is `mean + seed + picture + residual`, and the mean's
variance is the sum of three parts, `seed variance / S + picture variance / P + residual variance / (S P)`. The parts come from
the mean squares of a two-way table with one value a cell; a part that comes out negative is zero. Their sum is a weighted sum
of mean squares, and the quantile of Student's t is taken at Satterthwaite's degrees of freedom.

Source: F. E. Satterthwaite, Biometrics Bulletin 2, 1946, equation 17; mean squares of the crossed random-effects model as in
Searle, Casella and McCulloch, "Variance Components", 1992, section 4.3. How well it covers: docs/science.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from bothways.core.errors import DataError

LEVEL = 0.95


@dataclass(frozen=True)
class Crossed:
    """Means of tables of seeds x pictures; every field has the tables' leading shape.

    `se`: standard error of the mean. `degrees`: Satterthwaite's. `seed_sd`, `picture_sd`, `residual_sd`: the three parts, as
    standard deviations.
    """

    value: Float[np.ndarray, "..."]
    se: Float[np.ndarray, "..."]
    degrees: Float[np.ndarray, "..."]
    seed_sd: Float[np.ndarray, "..."]
    picture_sd: Float[np.ndarray, "..."]
    residual_sd: Float[np.ndarray, "..."]

    def interval(self, level: float = LEVEL) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
        """Both ends. Values that are all equal give an interval of no length."""
        reach = special.stdtrit(self.degrees, (1 + level) / 2) * self.se
        return self.value - reach, self.value + reach

    @property
    def p_value(self) -> Float[np.ndarray, "..."]:
        """Two-sided, of a mean of 0: below 0.05 exactly where the 95 % interval leaves 0 out."""
        with np.errstate(invalid="ignore", divide="ignore"):
            t = np.where(self.se > 0, self.value / self.se, np.where(self.value == 0, 0.0, np.inf))
        return 2 * special.stdtr(self.degrees, -abs(t))


def crossed(values: Float[np.ndarray, "... S P"]) -> Crossed:
    """The mean over seeds and pictures. Raises: DataError with fewer than two seeds or pictures."""
    num_seeds, num_pictures = values.shape[-2:]
    if min(num_seeds, num_pictures) < 2:
        raise DataError(
            f"Found {num_seeds} seeds and {num_pictures} pictures; an interval over both needs at least two of each."
        )
    value, of_seed, of_picture = values.mean((-1, -2)), values.mean(-1), values.mean(-2)
    left = values - of_seed[..., None] - of_picture[..., None, :] + value[..., None, None]
    seeds, pictures = num_seeds - 1, num_pictures - 1
    squares = {
        "seed": num_pictures * of_seed.var(-1, ddof=1),
        "picture": num_seeds * of_picture.var(-1, ddof=1),
        "residual": (left**2).sum((-1, -2)) / (seeds * pictures),
    }
    residual = squares["residual"]
    # Mean squares that no larger one explains drop out: each part is zero or above.
    parts = {name: np.where(squares[name] > residual, squares[name], 0.0) for name in ("seed", "picture")}
    num_parts = sum((part > 0).astype(float) for part in parts.values())
    parts["residual"] = (1 - num_parts) * residual
    total = sum(parts.values())
    spread = parts["seed"] ** 2 / seeds + parts["picture"] ** 2 / pictures + parts["residual"] ** 2 / (seeds * pictures)
    with np.errstate(invalid="ignore", divide="ignore"):
        degrees = np.where(spread > 0, total**2 / spread, seeds)
    return Crossed(
        value=value,
        se=np.sqrt(total / (num_seeds * num_pictures)),
        degrees=np.maximum(degrees, 1.0),
        seed_sd=np.sqrt(np.maximum(squares["seed"] - residual, 0) / num_pictures),
        picture_sd=np.sqrt(np.maximum(squares["picture"] - residual, 0) / num_seeds),
        residual_sd=np.sqrt(residual),
    )
