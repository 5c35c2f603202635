"""`categorical`: a softmax over the codebook, as in P1 (one linear layer from hidden state to codes)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.core.spec import VisualSpec
from bothways.heads.choose import How, guided, pick
from bothways.heads.configs import HeadConfig
from bothways.heads.draws import Draws
from bothways.heads.head import AbstractHead


class CategoricalHead(AbstractHead):
    """Cross-entropy over codes; sampling by temperature, top-k and guidance on logits."""

    unit = "nats"

    def __init__(self, config: HeadConfig, spec: VisualSpec, width: int):
        super().__init__()
        self.config = config
        self.logits = nn.Linear(width, spec.tokens.vocab)

    def loss(
        self,
        hidden: Float[Tensor, "N D"],
        target: Int[Tensor, "N"],
        place: Int[Tensor, "N"],
        draws: Draws,
    ) -> Float[Tensor, "N"]:
        return F.cross_entropy(self.logits(hidden).float(), target, reduction="none")

    def sample(
        self,
        hidden: Float[Tensor, "N D"],
        unguided: Float[Tensor, "N D"] | None,
        place: Int[Tensor, "N"],
        revealed: Float[Tensor, "N"],
        how: How,
        rngs: Sequence[np.random.Generator],
    ) -> tuple[Int[Tensor, "N"], Float[Tensor, "N"]]:
        if unguided is None:
            scores = logits = self.logits(hidden)
        else:  # one product for both: at few rows it takes as long as one of them
            logits, plain = self.logits(torch.cat([hidden, unguided])).chunk(2)
            scores = guided(logits, plain, how.guidance_at(revealed))
        tokens = pick(scores, how, rngs)
        return tokens, logits.softmax(-1).gather(1, tokens[:, None])[:, 0]
