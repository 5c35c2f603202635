"""`masked`: a share of a picture's tokens is hidden and predicted in place by a softmax; all tokens read each other.

Drawing begins with all of them hidden. Every step predicts all hidden tokens at once, keeps those that it is surest of, and
hides the others again; how many stay follows the cosine by which training hides (`layout.order`). With one token a step this
is a random order that the model chooses itself.

Held-out likelihood, in nats: the expected negative log-likelihood of a picture whose tokens come one at a time in a random
order, which bounds that of the model from above (Hoogeboom et al. 2022, arXiv 2110.02037, equation 6): the mean, over how many
are hidden, of the mean loss of a hidden token, times the number of tokens. Ours takes eight numbers of hidden tokens, spread
evenly, and one hiding of each picture for each, always the same: an estimate for a picture, close for an exam.

Sources: Chang et al. 2022, MaskGIT (arXiv 2202.04200, section 3.2); Xie et al. 2024, Show-o (arXiv 2408.12528, sections 3.2 and
3.4). Both add annealed Gumbel noise to the confidence. Deviations: the noise is scaled by the temperature too, so that at 0
nothing is random; confidence is the probability before guidance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bothways.heads.categorical import CategoricalHead
from bothways.heads.choose import How
from bothways.heads.configs import MaskedConfig
from bothways.heads.head import AbstractInPlaceHead, Look
from bothways.layout.order import tokens_per_step

NUM_HELD_OUT = 8


class MaskedHead(CategoricalHead, AbstractInPlaceHead):
    """Cross-entropy over codes at hidden tokens, and parallel decoding."""

    config: MaskedConfig
    shares = tuple((number + 0.5) / NUM_HELD_OUT for number in range(NUM_HELD_OUT))

    def draw(
        self,
        look: Look,
        kept: Int[Tensor, "R N"],
        known: Bool[Tensor, "R N"],
        how: How,
        rngs: Sequence[np.random.Generator],
    ) -> Int[Tensor, "R N"]:
        tokens, hidden = torch.where(known, kept, 0), ~known
        plans = [_plan(num, how.draw_steps) for num in hidden.sum(1).tolist()]
        left = hidden.sum(1)
        for step in range(max(map(len, plans))):
            counts = [plan[step] if step < len(plan) else 0 for plan in plans]
            own, plain = look(tokens, hidden)
            row, place = hidden.nonzero().unbind(1)
            gone = hidden.sum(1) - torch.tensor(counts, device=hidden.device)
            revealed = (1 - gone / left.clamp_min(1))[row]
            states = own[hidden], None if plain is None else plain[hidden]
            found, sure = self.sample(*states, place, revealed, how, [rngs[at] for at in row.tolist()])
            sure = sure.clamp_min(torch.finfo(sure.dtype).tiny).log() + self._choice_noise(hidden, plans, step, how, rngs)
            stay = _surest(sure, row, counts)
            tokens[row[stay], place[stay]] = found[stay]
            hidden[row[stay], place[stay]] = False
        return tokens

    def _choice_noise(
        self,
        hidden: Bool[Tensor, "R N"],
        plans: list[tuple[int, ...]],
        step: int,
        how: How,
        rngs: Sequence[np.random.Generator],
    ) -> Float[Tensor, "H"] | float:
        """Gumbel noise of every hidden token, falling to none at each picture's last step."""
        scale = how.temperature * self.config.choice_noise
        if not scale:
            return 0.0
        num_hidden = hidden.sum(1).tolist()
        noise = [
            scale * (1 - (step + 1) / len(plan)) * rng.gumbel(size=num)
            for num, plan, rng in zip(num_hidden, plans, rngs, strict=True)
            if num
        ]
        return torch.from_numpy(np.concatenate(noise)).float().to(hidden.device)


def _plan(num_hidden: int, draw_steps: int) -> tuple[int, ...]:
    """How many tokens each step makes known."""
    return tokens_per_step(num_hidden, min(draw_steps or num_hidden, num_hidden)) if num_hidden else ()


def _surest(sure: Float[Tensor, "H"], row: Int[Tensor, "H"], counts: list[int]) -> Int[Tensor, "K"]:
    """Of each row's hidden tokens those, `counts` of them, of which the model is surest."""
    found = []
    for number, count in enumerate(counts):
        if count:
            at = (row == number).nonzero()[:, 0]
            found.append(at[sure[at].topk(count).indices])
    return torch.cat(found)
