"""Drawing in place: the head draws the pictures of some rows, looking at them through the backbone as often as it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bothways.core.spec import Discrete
from bothways.generate.entering import Entering
from bothways.generate.memory import Inputs, Memory
from bothways.generate.row import Row
from bothways.heads.choose import How
from bothways.heads.head import AbstractInPlaceHead
from bothways.layout.batch import collate, padding
from bothways.layout.sequence import Duty
from bothways.model.unified import UnifiedModel

RunBlocks = Callable[[Tensor, Tensor], tuple[Float[Tensor, "R N D"], Float[Tensor, "R N D"] | None]]
"""Embeddings of the rows' blocks "R N D" and where tokens are predicted, bool "R N" -> their hidden states, and with guidance
those of their shadows."""


def draw_in_place(entering: Entering, memory: Memory, rows: list[Row], guided: bool, how: How) -> Tensor:
    """The tokens "R N ..." of the pictures of those of these rows that are at one to be drawn in place, in raster order.

    `rows` are all that the memory holds; `guided`: the second half of them are the shadows of the first.
    """
    model, device = entering.model, entering.device
    head = model.head
    assert isinstance(head, AbstractInPlaceHead)
    drawing = [row for row in rows if row.phase == "in place"]
    drawing = drawing[: len(drawing) // (2 if guided else 1)]
    run = _blocks(entering, memory, rows, guided)
    kept, known = (part.to(device) for part in _known(model, drawing))
    place = torch.arange(kept.shape[1], device=device).repeat(len(drawing))
    nowhere = torch.full_like(place, -1)

    def look(values: Tensor, cover: Any) -> tuple[Tensor, Tensor | None]:
        flat = values.flatten(0, 1)
        if model.config.drawing.noised:
            predicted = ~known
            x = model.embed_noised(flat, torch.full(place.shape, cover, device=device), place)
        else:
            predicted = cover
            x = torch.where(cover.view(-1, 1), model.embed_hidden(place), entering.embed_drawn(flat, place, nowhere))
        return run(x.view(*values.shape[:2], -1), predicted)

    return head.draw(look, kept, known, how, [row.draws for row in drawing])


def _blocks(entering: Entering, memory: Memory, rows: list[Row], guided: bool) -> RunBlocks:
    """The backbone over the blocks of the rows that draw and of their shadows; the memory keeps nothing of it. Other rows read
    padding meanwhile."""
    num = entering.model.learned.spec.num_tokens
    at = [place for place, row in enumerate(rows) if row.phase == "in place"]
    blocks = [row.block if row.phase == "in place" else padding(num) for row in rows]
    batch = collate(blocks, [row.sample for row in rows]).to(entering.device)
    sources = _sources(entering, [rows[place] for place in at])

    def run(x: Float[Tensor, "R N D"], predicted: Bool[Tensor, "R N"]) -> tuple[Tensor, Tensor | None]:
        whole = x.new_zeros(len(rows), num, x.shape[-1])
        whole[at] = torch.cat([x, x]) if guided else x
        if sources is not None:
            whole[at] += sources * (torch.cat([predicted, predicted]) if guided else predicted)[..., None]
        hidden = memory.read(Inputs(whole, batch.doc, batch.block, batch.private, batch.position, batch.drawing))[at]
        memory.forget(num)
        return hidden.chunk(2) if guided else (hidden, None)

    return run


def _sources(entering: Entering, rows: list[Row]) -> Float[Tensor, "R N D"] | None:
    """What the pictures that these rows edit have at each place; zeros for a row that edits none, None where all do not."""
    edited = [int(row.block.source.max()) for row in rows]
    if entering.model.source_projector is None or max(edited) < 0:
        return None
    found = [None if at < 0 else entering.source(row, at) for row, at in zip(rows, edited, strict=True)]
    nothing = torch.zeros_like(next(source for source in found if source is not None))
    return torch.stack([nothing if source is None else source for source in found])


def _known(model: UnifiedModel, rows: list[Row]) -> tuple[Tensor, Tensor]:
    """Of each row's picture the tokens of which a part is kept (zeros, where none is), and which part, bool "R N"."""
    spec = model.learned.spec
    discrete = isinstance(spec.tokens, Discrete)
    nothing = torch.zeros(spec.num_tokens, dtype=torch.long) if discrete else torch.zeros(spec.num_tokens, spec.dim)
    tokens = [torch.from_numpy(np.array(row.known[row.segment])) if row.segment in row.known else nothing for row in rows]
    return torch.stack(tokens), torch.from_numpy(np.stack([row.block.duty != Duty.IMAGE for row in rows]))
