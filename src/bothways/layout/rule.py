"""The block rule: who may read whom, from four integers a position."""

from __future__ import annotations

import numpy as np

from bothways.layout.sequence import Sequence


def may_read(
    doc_q: np.ndarray, block_q: np.ndarray, doc_k: np.ndarray, block_k: np.ndarray, private_k: np.ndarray
) -> np.ndarray:
    """Bool (..., Q, K) from vectors (..., Q) and (..., K): True where the query may read the key.

    A query reads the keys of its own document in its own and in earlier blocks, private keys only within its own block.
    """
    block_q, block_k = block_q[..., :, None], block_k[..., None, :]
    same_doc = doc_q[..., :, None] == doc_k[..., None, :]
    return same_doc & (block_k <= block_q) & (~private_k[..., None, :] | (block_k == block_q))


def reads(sequence: Sequence) -> np.ndarray:
    """Bool (S, S) of one sequence: row q, column k."""
    s = sequence
    return may_read(s.doc, s.block, s.doc, s.block, s.private)
