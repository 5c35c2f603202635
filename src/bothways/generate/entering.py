"""What rows read, as embeddings: single tokens fast, as they come step after step, and chunks of any kind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bothways.generate.memory import Inputs
from bothways.generate.row import Chunk, Row, Token, Value, sequence_of
from bothways.layout.batch import collate, padding
from bothways.layout.sequence import joined
from bothways.model.unified import UnifiedModel


class Entering:
    """Of one model under unchanged weights."""

    def __init__(self, model: UnifiedModel):
        self.model, self.device = model, model.nothing_text.device
        self._sources: dict[tuple[int, int], Tensor] = {}

    @functools.cached_property
    def embed_drawn(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        return self.model.drawn_embedder()

    def tokens(self, tokens: list[tuple[Token, ...]], rows: list[Row], num_asks: int) -> Inputs:
        """The usual step: every row reads as many tokens, all of them produced, so there is nothing to pad and no picture to
        look up. The last `num_asks` of each are private."""
        flat, shape = [token for own in tokens for token in own], (len(tokens), len(tokens[0]))
        place, next_place, _, block, position = self._stacked([token[1:] for token in flat]).unbind(1)
        images = [at for at, token in enumerate(flat) if token.place >= 0]
        if len(images) == len(flat):
            x = self.embed_drawn(self._values(flat), place, next_place)
        elif not images:
            x = self.model.backbone.embed(self._values(flat))
        else:
            at, drawn = torch.tensor(images, device=self.device), [flat[index] for index in images]
            x = self.model.backbone.embed(torch.tensor([0 if t.place >= 0 else t.value for t in flat]).to(self.device))
            x = x.index_copy(0, at, self.embed_drawn(self._values(drawn), place[at], next_place[at]))
        if num_asks and len(images) < len(flat):  # an opening mark that was held back
            marks = ((place < 0) & (next_place >= 0)).nonzero()[:, 0]
            x = x.index_add(0, marks, self.model.next_place(next_place[marks]))
        x = self._with_sources(x, flat, [row for row in rows for _ in range(shape[1])])
        private = (torch.arange(shape[1], device=self.device) >= shape[1] - num_asks).expand(shape)
        return Inputs(
            x.view(*shape, -1),
            torch.zeros(shape, dtype=torch.long, device=self.device),
            block.view(shape),
            private,
            position.view(shape),
            ((place >= 0) | (next_place >= 0)).view(shape),
        )

    def chunks(self, chunks: list[Chunk], rows: list[Row], most: int) -> Inputs:
        """Any chunks: what is read, padded on the left to one length, then what asks, padded on the left to `most`."""
        sequences = [chunk.read for chunk in chunks]
        if most:
            sequences = [
                joined([read, padding(most - len(chunk.asks)), sequence_of(chunk.asks, asks=True)])
                for read, chunk in zip(sequences, chunks, strict=True)
            ]
        batch = self.model.attach(collate(sequences, [row.sample for row in rows], side="left")).to(self.device)
        produced = [value for chunk in chunks for value in chunk.loose]
        x = self.model.embed(batch, self._stacked(produced) if produced else None)
        return Inputs(x, batch.doc, batch.block, batch.private, batch.position, batch.drawing)

    def source(self, row: Row, segment: int) -> Float[Tensor, "P D"]:
        """The embedded tokens of the picture of that segment, which is being edited."""
        key = id(row), segment
        if key not in self._sources:
            tokens = self.model.encodings.learned.tokens([row.sample.segments[segment].content])[0]
            self._sources[key] = self.model.embed_source(tokens.to(self.device))
        return self._sources[key]

    def _with_sources(self, x: Float[Tensor, "N D"], tokens: list[Token], rows: list[Row]) -> Float[Tensor, "N D"]:
        """In edits, what the picture to be edited has at the place that a token asks for is added; `rows`: whose each is."""
        edits = [at for at, token in enumerate(tokens) if token.source >= 0]
        if not edits or self.model.source_projector is None:
            return x
        seen = [self.source(rows[at], tokens[at].source)[tokens[at].next_place] for at in edits]
        return x.index_add(0, torch.tensor(edits, device=self.device), torch.stack(seen))

    def _values(self, tokens: list[Token]) -> Tensor:
        return self._stacked([token.value for token in tokens])

    def _stacked(self, values: list[Any]) -> Tensor:
        """Long "R" or "R 5", or Float "R C" of continuous image tokens."""
        return torch.from_numpy(np.array(values)).to(self.device)


def apart(tokens: Tensor) -> list[Value]:
    """The tokens "N" or "N C" one by one."""
    return tokens.tolist() if tokens.ndim == 1 else list(tokens.cpu().numpy())
