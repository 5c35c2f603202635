"""`regression`: one linear layer from hidden state to a continuous token, as P1 has it for SigLIP and CLIP features.

Trained by 1 - cosine (P1's default) or by squared error, against the tokenizer's own tokens, which come before any projector
and get no gradient. A cosine trains no length, so under it every prediction leaves with the mean norm of the targets
seen in training, in generation and wherever else a token is made (P1 feeds the raw output back). Deterministic: what a request
leaves open comes out as a mean of all pictures that fit it.

Source: P1's released code as described in seeds 1.1. Guidance is ours (P1 has none): the line through the unguided and the
guided prediction, as `guided` does it on logits; under the cosine, through their directions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.core.spec import VisualSpec
from bothways.heads.choose import How, guided
from bothways.heads.configs import RegressionConfig
from bothways.heads.draws import Draws
from bothways.heads.head import AbstractHead

UNITS = {"cosine": "one_minus_cosine", "mse": "squared_error"}


class RegressionHead(AbstractHead):
    """`norm_sum` and `norm_count` hold the running mean norm of the targets; they are saved with the weights."""

    def __init__(self, config: RegressionConfig, spec: VisualSpec, width: int):
        super().__init__()
        self.config, self.dim, self.unit = config, spec.dim, UNITS[config.objective]
        self.prediction = nn.Linear(width, spec.dim)
        # Double, because a sum of millions of norms has no room in 24 bits for the next one.
        self.register_buffer("norm_sum", torch.zeros((), dtype=torch.double))
        self.register_buffer("norm_count", torch.zeros((), dtype=torch.double))

    @property
    def mean_norm(self) -> Float[Tensor, ""]:
        """Mean norm of the targets seen; before the first, what tokens of unit size in every channel have."""
        seen = self.norm_sum / self.norm_count.clamp_min(1)
        return torch.where(self.norm_count > 0, seen, self.dim**0.5).float()

    @torch.no_grad()
    def observe(self, target: Float[Tensor, "N C"]) -> None:
        self.norm_sum += target.double().norm(dim=-1).sum()
        self.norm_count += len(target)

    def loss(
        self,
        hidden: Float[Tensor, "N D"],
        target: Float[Tensor, "N C"],
        place: Int[Tensor, "N"],
        draws: Draws,
    ) -> Float[Tensor, "N"]:
        return self._error(self.prediction(hidden).float(), target)

    def sample(
        self,
        hidden: Float[Tensor, "N D"],
        unguided: Float[Tensor, "N D"] | None,
        place: Int[Tensor, "N"],
        revealed: Float[Tensor, "N"],
        how: How,
        rngs: Sequence[np.random.Generator],
    ) -> tuple[Float[Tensor, "N C"], Float[Tensor, "N"]]:
        """Confidence is 1: there is no second candidate. Raises: ConfigError at a temperature above 0 or with a sampler."""
        self.config.check_how(how)
        if unguided is None:
            token = self.predicted(hidden)
        else:
            both = self._direction(torch.cat([hidden, unguided])).chunk(2)
            token = self._sized(guided(*both, how.guidance_at(revealed)))
        return token, torch.ones(len(token), device=token.device)

    def predicted(self, hidden: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        return self._sized(self._direction(hidden))

    def blind(self, targets: Float[Tensor, "M N C"]) -> Float[Tensor, "M"]:
        """Under the cosine the best constant is the mean direction, under squared error the mean."""
        known = F.normalize(targets, dim=-1) if self.config.objective == "cosine" else targets
        return self._error(known.mean(0).expand_as(targets), targets).mean(-1)

    def _direction(self, hidden: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """What was trained: under the cosine of length 1."""
        token = self.prediction(hidden).float()
        return F.normalize(token, dim=-1) if self.config.objective == "cosine" else token

    def _sized(self, token: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
        return F.normalize(token, dim=-1) * self.mean_norm if self.config.objective == "cosine" else token

    def _error(self, token: Float[Tensor, "*shape C"], target: Float[Tensor, "*shape C"]) -> Float[Tensor, "*shape"]:
        if self.config.objective == "cosine":
            return 1 - F.cosine_similarity(token, target, dim=-1)
        return (token - target).square().mean(-1)
