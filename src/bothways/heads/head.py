"""The door of every head: `corrupt`, `loss`, `sample`.

A head sees N positions that must predict an image token: their hidden states, the targets, the place each target has in its
picture. It returns one loss a position (nats where it is a likelihood), or one token a position.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.heads.choose import How


class AbstractHead(nn.Module, ABC):
    """From hidden states to image tokens of one `VisualSpec`."""

    @abstractmethod
    def loss(
        self, hidden: Float[Tensor, "N D"], target: Tensor, place: Int[Tensor, "N"], rngs: Sequence[np.random.Generator]
    ) -> Float[Tensor, "N"]:
        """Unreduced loss of each position. `target`: Long "N" or Float "N C"; `rngs` name the noise, if any is needed."""

    @abstractmethod
    def sample(
        self,
        hidden: Float[Tensor, "N D"],
        unguided: Float[Tensor, "N D"] | None,
        place: Int[Tensor, "N"],
        how: How,
        rngs: Sequence[np.random.Generator],
    ) -> tuple[Tensor, Float[Tensor, "N"]]:
        """A token a position and its confidence (probability under the unmodified conditional distribution)."""
