"""The door of every head: `loss`, and `sample` or `draw`.

A head sees N positions that must predict an image token: their hidden states, the targets, the place each target has in its
picture. It returns one loss a position (nats where it is a likelihood), or one token a position. A head that predicts whole
pictures in place is handed the backbone to draw them with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from bothways.heads.choose import How
from bothways.heads.configs import HeadConfig
from bothways.heads.draws import Draws


@dataclass(frozen=True)
class Pass:
    """Layers of a head that a token to be predicted goes through `times` times in a training loss, one behind the other.
    `behind_hidden`: what comes in hangs on the backbone's hidden state (else it is data)."""

    layers: Sequence[nn.Module]
    times: int | float = 1
    behind_hidden: bool = True


class AbstractHead(nn.Module, ABC):
    """From hidden states to image tokens of one `VisualSpec`.

    `unit` names what `loss` measures: "nats" where it is a likelihood, else the error (`one_minus_cosine`). `config` says
    which tokens and temperatures fit.
    """

    config: HeadConfig
    unit: str
    shares: tuple[float | None, ...] = (None,)
    """Of each pass over a held-out picture: the share of it that is kept from the model. None: as laid out, in one pass."""

    @abstractmethod
    def loss(self, hidden: Float[Tensor, "N D"], target: Tensor, place: Int[Tensor, "N"], draws: Draws) -> Float[Tensor, "N"]:
        """Unreduced loss of each position. `target`: Long "N" or Float "N C"; `draws` give noise, if any is needed."""

    def measured(
        self, hidden: Float[Tensor, "N D"], target: Tensor, place: Int[Tensor, "N"], draws: Draws
    ) -> Float[Tensor, "N"]:
        """The loss of held-out tokens, in `unit`: that of training, unless training takes it at random times or with more
        terms than are worth comparing."""
        return self.loss(hidden, target, place, draws)

    def sample(
        self,
        hidden: Float[Tensor, "N D"],
        unguided: Float[Tensor, "N D"] | None,
        place: Int[Tensor, "N"],
        revealed: Float[Tensor, "N"],
        how: How,
        rngs: Sequence[np.random.Generator],
    ) -> tuple[Tensor, Float[Tensor, "N"]]:
        """A token a position and its confidence (probability under the unmodified conditional distribution). `revealed`: the
        share of each picture's tokens that are there once these are, for guidance that grows with it. Heads have this, `draw`
        (`AbstractInPlaceHead`), or both."""
        raise NotImplementedError(f"{type(self).__name__} draws whole pictures")

    def check_targets(self, tokens: Tensor) -> None:
        """Asked once before training, with the tokens of the first step's pictures ("M N ..."). Raises: ConfigError where
        this head cannot learn them."""

    def observe(self, target: Tensor) -> None:
        """Called once with the targets of every training batch, before `loss`: what a head must know of them it keeps in
        buffers, as sums and counts, so that they are saved with the weights and micro-batches add up."""

    def predicted(self, hidden: Float[Tensor, "N D"]) -> Tensor | None:
        """The one token that a position gets where a head has no distribution to draw from; None for all others."""
        return None

    def passes(self) -> list[Pass]:
        """The way of a token through this head in a training loss, for the ledger of operations."""
        return [Pass([self])]

    def blind(self, targets: Tensor) -> Float[Tensor, "M"]:
        """Mean loss of M pictures' tokens ("M N ...") under the best prediction that is the same for all of them, place by
        place: what 0 means on the scale of skill. Only heads whose loss is not a likelihood have it."""
        raise NotImplementedError(f"{type(self).__name__} measures {self.unit}")


Look = Callable[[Tensor, Any], tuple[Float[Tensor, "R N D"], Float[Tensor, "R N D"] | None]]
"""One pass of the backbone over the pictures of R rows: (values "R N ...", what covers them) -> hidden states and, with
guidance, unguided ones. A masked picture is covered by bool "R N", True at hidden tokens; a noised one by its time."""


class AbstractInPlaceHead(AbstractHead):
    """Predicts pictures in place: all their tokens read each other, and the backbone runs anew for every look at them."""

    shares: tuple[float, ...]

    @abstractmethod
    def draw(
        self, look: Look, kept: Tensor, known: Bool[Tensor, "R N"], how: How, rngs: Sequence[np.random.Generator]
    ) -> Tensor:
        """The tokens "R N ..." of R pictures in raster order, from a generator each; where `known` they are those of `kept`."""

    def corrupt(self, target: Tensor, draws: Draws) -> tuple[Float[Tensor, "N C"], Float[Tensor, "N"]]:
        """The targets with noise on them, and its times in [0, 1000]: what the backbone is given of noised tokens. The loss
        takes the same noise from the same draws."""
        raise NotImplementedError(f"{type(self).__name__} puts no noise on tokens")
