"""Drawing in place: the head draws the pictures of some rows, looking at them through the backbone as often as it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.core.spec import Discrete
from bothways.generate.row import Row
from bothways.heads.choose import How
from bothways.heads.head import AbstractInPlaceHead
from bothways.layout.sequence import Duty
from bothways.model.unified import UnifiedModel

RunBlocks = Callable[[Tensor, Tensor], tuple[Float[Tensor, "R N D"], Float[Tensor, "R N D"] | None]]
"""Embeddings of the rows' blocks "R N D" and where tokens are predicted, bool "R N" -> their hidden states, and with guidance
those of their shadows."""


def draw_in_place(
    model: UnifiedModel, rows: list[Row], run: RunBlocks, embed_drawn: Callable[[Tensor, Tensor, Tensor], Tensor], how: How
) -> Tensor:
    """The tokens "R N ..." of the picture that each row is at, in raster order. `embed_drawn`: the model's, or faster."""
    head, device = model.head, model.nothing_text.device
    assert isinstance(head, AbstractInPlaceHead)
    kept, known = (part.to(device) for part in _known(model, rows))
    place = torch.arange(kept.shape[1], device=device).repeat(len(rows))
    nowhere = torch.full_like(place, -1)

    def look(values: Tensor, cover: Any) -> tuple[Tensor, Tensor | None]:
        flat = values.flatten(0, 1)
        if model.config.drawing.noised:
            predicted = ~known
            x = model.embed_noised(flat, torch.full(place.shape, cover, device=device), place)
        else:
            predicted = cover
            x = torch.where(cover.view(-1, 1), model.embed_hidden(place), embed_drawn(flat, place, nowhere))
        return run(x.view(*values.shape[:2], -1), predicted)

    return head.draw(look, kept, known, how, [row.draws for row in rows])


def _known(model: UnifiedModel, rows: list[Row]) -> tuple[Tensor, Tensor]:
    """Of each row's picture the tokens of which a part is kept (zeros, where none is), and which part, bool "R N"."""
    spec = model.learned.spec
    discrete = isinstance(spec.tokens, Discrete)
    nothing = torch.zeros(spec.num_tokens, dtype=torch.long) if discrete else torch.zeros(spec.num_tokens, spec.dim)
    tokens = [torch.from_numpy(np.array(row.known[row.segment])) if row.segment in row.known else nothing for row in rows]
    return torch.stack(tokens), torch.from_numpy(np.stack([row.block.duty != Duty.IMAGE for row in rows]))
