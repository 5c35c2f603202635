"""Named randomness: every draw is a function of a seed and a name, never of what was drawn before.

So a sample draws the same noise alone, in a batch or after a resume, two arms of a study share their draws, and no
generator state is ever saved. (The idea of folding the step into the key: big_vision's `train.py`.)
"""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(seed: int, *name: str | int) -> int:
    """A 63-bit integer that depends on `seed` and every part of `name`, and on nothing else (stable across machines)."""
    text = "\x1f".join([str(int(seed)), *map(str, name)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def rng(seed: int, *name: str | int) -> np.random.Generator:
    """A fresh numpy generator for the stream called `name`, e.g. `rng(seed, "watch", "train", index)`."""
    return np.random.Generator(np.random.PCG64(seed_of(seed, *name)))


def shuffled(num: int, seed: int, *name: str | int) -> np.ndarray:
    """A permutation of range(num) for the stream called `name`."""
    return rng(seed, *name, "shuffle").permutation(num)
