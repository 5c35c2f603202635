"""What rows have read: the backbone's cache beside the document, block and privacy of every position in it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bothways.backbones.backbone import AbstractBackbone, Reads


class Inputs(NamedTuple):
    """What all rows read in one call of the backbone: embeddings, and of each position the vectors that the block rule
    asks for, and whether it draws. Padding is a document of its own (-1)."""

    x: Float[Tensor, "R Q D"]
    doc: Int[Tensor, "R Q"]
    block: Int[Tensor, "R Q"]
    private: Bool[Tensor, "R Q"]
    position: Int[Tensor, "R Q"]
    drawing: Bool[Tensor, "R Q"]


class Memory:
    """Of `num_rows` rows, a row of the cache each. `doc`, `block` and `private` have a column a position."""

    def __init__(self, backbone: AbstractBackbone, num_rows: int, dtype: torch.dtype, device: torch.device):
        empty = torch.zeros((num_rows, 0), dtype=torch.long, device=device)
        self.doc, self.block, self.private = empty, empty, empty.bool()
        self.backbone, self.cache = backbone, backbone.new_cache(num_rows, dtype)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.doc)

    def read(self, inputs: Inputs) -> Float[Tensor, "R Q D"]:
        """Hidden states of what is read, which is kept."""
        self.doc = torch.cat([self.doc, inputs.doc], 1)
        self.block = torch.cat([self.block, inputs.block], 1)
        self.private = torch.cat([self.private, inputs.private], 1)
        reads = Reads(inputs.doc, inputs.block, self.doc, self.block, self.private, inputs.drawing)
        return self.backbone.run(inputs.x, reads, inputs.position, self.cache)

    def forget(self, num: int) -> None:
        """What was read last, `num` positions of every row, is gone."""
        self.doc, self.block, self.private = self.doc[:, :-num], self.block[:, :-num], self.private[:, :-num]
        self.cache.crop(-num)

    def keep(self, rows: list[int]) -> None:
        """These rows stay, in this order, the others are gone."""
        at = torch.tensor(rows, dtype=torch.long, device=self.doc.device)
        self.doc, self.block, self.private = self.doc[at], self.block[at], self.private[at]
        if rows:
            self.cache.batch_select_indices(at)
