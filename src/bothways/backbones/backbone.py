"""The door of every backbone, and the block rule as the attention mask that it needs.

Letters: B rows, Q query positions, K key positions (cached ones first), D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from bothways.backbones.branch import Branch
from bothways.backbones.configs import BackboneConfig


@dataclass(frozen=True)
class Reads:
    """The vectors from which an attention path builds its mask: queries, and keys with the cached ones first. `drawing`: the
    queries that draw (`layout.sequence`); None: none does. Only layers that these have copies of ask for it."""

    doc: Int[Tensor, "B Q"]
    block: Int[Tensor, "B Q"]
    key_doc: Int[Tensor, "B K"]
    key_block: Int[Tensor, "B K"]
    key_private: Bool[Tensor, "B K"]
    drawing: Bool[Tensor, "B Q"] | None = None

    @classmethod
    def within(cls, doc: Tensor, block: Tensor, private: Tensor, drawing: Tensor | None = None) -> Reads:
        """Queries and keys are the same positions: no cache."""
        return cls(doc, block, doc, block, private, drawing)

    def of(self, rows: Int[Tensor, "R"], length: int) -> Reads:
        """Of these rows the first `length` positions, where queries and keys are the same."""
        return Reads.within(self.key_doc[rows, :length], self.key_block[rows, :length], self.key_private[rows, :length])

    def allowed(self) -> Bool[Tensor, "B Q K"]:
        """The block rule (the numpy reference is `layout.rule.may_read`)."""
        earlier = self.key_block[:, None, :] <= self.block[:, :, None]
        own = self.key_block[:, None, :] == self.block[:, :, None]
        same_doc = self.key_doc[:, None, :] == self.doc[:, :, None]
        return same_doc & earlier & (own | ~self.key_private[:, None, :])

    def additive(self, dtype: torch.dtype) -> Float[Tensor, "B 1 Q K"]:
        """0 where reading is allowed, the dtype's lowest value elsewhere.

        Floats, because transformers' eager path silently adds a bool mask (True = 1) and so leaks the future.
        """
        return torch.where(self.allowed(), 0.0, torch.finfo(dtype).min).to(dtype)[:, None]


class AbstractBackbone(nn.Module, ABC):
    """Embeds text, turns embeddings into hidden states, turns hidden states into text logits.

    `branch`: what layers that are split ask which positions draw. `run` and `layers` have it follow `reads.drawing` before the
    first of them is called."""

    config: BackboneConfig

    def __init__(self):
        super().__init__()
        self.branch = Branch()

    @property
    @abstractmethod
    def width(self) -> int:
        """D."""

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The layers that every position goes through, in order; attention is in each."""

    @property
    @abstractmethod
    def text_head(self) -> nn.Module:
        """What turns a hidden state into text logits."""

    @property
    @abstractmethod
    def attention_width(self) -> int:
        """Heads times the width of a head."""

    @abstractmethod
    def embed(self, ids: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape D"]:
        """Embeddings of text ids."""

    @abstractmethod
    def run(
        self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"], cache: Any = None
    ) -> Float[Tensor, "B Q D"]:
        """Hidden states after the last norm. With a cache (from `new_cache`), keys and values are appended to it."""

    @abstractmethod
    def layers(self, x: Float[Tensor, "B Q D"], reads: Reads, positions: Int[Tensor, "B Q"]) -> list[Float[Tensor, "B Q D"]]:
        """Hidden states on their way, without a cache: what goes in, then what each layer gives; the last is `run`'s."""

    @abstractmethod
    def text_logits(self, hidden: Float[Tensor, "*shape D"]) -> Float[Tensor, "*shape V"]:
        """Scores over the text vocabulary, not normalised."""

    @abstractmethod
    def new_cache(self, num_rows: int, dtype: torch.dtype = torch.float32) -> Any:
        """An empty cache for `num_rows` sequences. It knows the weights as they are now: make a new one when they change.

        `dtype` float32, or bfloat16: the layers' products are computed in it, as in training; what `run` returns is fp32.

        `batch_select_indices(rows)` keeps these rows only, `crop(-num)` forgets the last `num` positions."""
