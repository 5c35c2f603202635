"""The weight of each loss term at each step: a number, a straight ramp, or whatever gives the term its share of the gradient.

By share: with g_t the gradient of term t of the whole step over the parameters that `train.shares_of` names (the backbone),
the weight of a term is set such that |weight * g| / sum over terms |weight_t * g_t| is the share asked for, which is how
`shares` in the log is defined. Solved for all such terms at once, from a measurement every few steps, for the steps after
it; new weights are mixed with the old in the logarithm. So "images hurt" can be told from "the larger gradient hurts".
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from bothways.core.errors import ConfigError
from bothways.core.ramp import RampConfig
from bothways.train.config import ShareConfig, TrainConfig


class Weights:
    """`by_share`: term -> its weight as it stands now, where it follows a share; a checkpoint keeps it."""

    def __init__(self, config: TrainConfig):
        self._settings = config.weights
        self._shares = {term: it for term, it in config.weights.items() if isinstance(it, ShareConfig)}
        self.by_share = {term: it.first for term, it in self._shares.items()}
        self._every = min((it.every_steps for it in self._shares.values()), default=0)

    def at(self, step: int) -> dict[str, float]:
        """Term -> weight at `step` (0-based); a term that is not in it weighs 1."""
        return {term: self._now(term, it, step) for term, it in self._settings.items()}

    def moving(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Of the weights of a step, those that are no fixed numbers, for the log."""
        return {term: weight for term, weight in weights.items() if not isinstance(self._settings[term], float)}

    def measures(self, step: int) -> bool:
        """Whether the gradients of this step are wanted."""
        return bool(self._every) and step % self._every == 0

    def follow(self, norms: Mapping[str, float], step: int) -> None:
        """Takes in the norms of the weighted terms' gradients at `step`.

        Raises: ConfigError when a term has no gradient there, or no term without a share has one.
        """
        followed = {term: it for term, it in self._shares.items() if term in norms}
        if not followed:
            return
        rest = sum(norm for term, norm in norms.items() if term not in followed)
        free = 1 - sum(it.share for it in followed.values())
        still = [term for term in followed if not norms[term]]
        if still or not rest:
            found = f"`{still[0]}` has no gradient" if still else "no other term has a gradient"
            raise ConfigError(
                f"The weight of `{still[0] if still else next(iter(followed))}` follows its share of the gradient, and at step "
                f"{step} {found} in what train.shares_of names (is the gate closed, or a source without samples?); give the "
                "term a number as weight."
            )
        for term, it in followed.items():
            wanted = self.by_share[term] * it.share * rest / (free * norms[term])
            stays = it.smoothing if step else 0.0  # nothing to be smooth with before the first
            self.by_share[term] = math.exp(stays * math.log(self.by_share[term]) + (1 - stays) * math.log(wanted))

    def _now(self, term: str, setting: float | RampConfig | ShareConfig, step: int) -> float:
        if isinstance(setting, ShareConfig):
            return self.by_share[term]
        return setting.at(step) if isinstance(setting, RampConfig) else setting
