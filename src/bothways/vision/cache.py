"""Each picture is rendered and encoded once: tokens by picture key, in memory and on disk.

The arms of a study share one cache. Tokens that are no smaller than the pixels (`patches`) are encoded anew.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from copy import copy
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bothways.core.config import digest_of
from bothways.core.sample import AbstractPicture
from bothways.core.spec import Discrete
from bothways.vision.tokenizer import AbstractTokenizer, to_unit

BATCH = 16  # pictures encoded at once: their activations stay in the cache; 64 took half as long again on one core


class EncodingCache:
    """Tokens of pictures under one frozen tokenizer; `seconds` adds up where the time went (render, encode)."""

    def __init__(self, tokenizer: AbstractTokenizer, folder: Path | None = None):
        """`folder`: where tokens are kept between processes; None keeps them in memory alone."""
        self.tokenizer = tokenizer
        discrete = isinstance(tokenizer.spec.tokens, Discrete)
        self.keeps = discrete or _smaller_than_pixels(tokenizer)
        # Half precision keeps three digits of a standardised channel, and every reader of this cache gets the same ones.
        self._kept_as = np.int32 if discrete else np.float16 if self.keeps else np.float32
        self._read_as = torch.long if discrete else torch.float32
        self.seconds = {"render": 0.0, "encode": 0.0}
        self._known: dict[str, np.ndarray] = {}
        kept = folder and self.keeps
        self._folder = folder / f"{tokenizer.spec.kind}-{identity(tokenizer.encoder)}" if kept else None
        for path in sorted(self._folder.glob("*.npz")) if self._folder and self._folder.is_dir() else ():
            with np.load(path) as saved:
                self._known.update(zip(saved["keys"].tolist(), saved["tokens"], strict=True))

    def read_by(self, tokenizer: AbstractTokenizer) -> EncodingCache:
        """The same tokens, now and later, for a tokenizer that reads other vectors from them."""
        twin = copy(self)
        twin.tokenizer = tokenizer
        return twin

    def tokens(self, pictures: list[AbstractPicture]) -> Tensor:
        """Tokens of the pictures in order: Long "n N" or Float "n N C"."""
        fresh = {p.key: p for p in pictures if p.key not in self._known}
        new = self._encode(list(fresh.values()))
        if self.keeps:
            self._known.update(new)
            new = self._known
        return torch.from_numpy(np.stack([new[p.key] for p in pictures])).to(self._read_as)

    def fill(self, pictures: Iterable[AbstractPicture]) -> None:
        """Encode all pictures that are not known yet, and keep them on disk. Takes them as they come, a batch at a time."""
        if not self.keeps:
            return
        fresh: list[str] = []
        for some in _batches(p for p in pictures if p.key not in self._known):
            new = self._encode(list({p.key: p for p in some}.values()))
            self._known.update(new)
            fresh += new
        if self._folder and fresh:
            self._save(fresh)

    @torch.inference_mode()
    def _encode(self, pictures: list[AbstractPicture]) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for start in range(0, len(pictures), BATCH):
            some = pictures[start : start + BATCH]
            began = time.perf_counter()
            pixels = np.stack([p.pixels(self.tokenizer.spec.size_px) for p in some])
            rendered = time.perf_counter()
            tokens = self.tokenizer.encode(to_unit(pixels)).numpy()
            self.seconds["render"] += rendered - began
            self.seconds["encode"] += time.perf_counter() - rendered
            found.update(zip([p.key for p in some], tokens.astype(self._kept_as), strict=True))
        return found

    def _save(self, keys: list[str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{digest_of(keys)}.npz"
        partial = path.with_name(f".{os.getpid()}.npz")
        np.savez(partial, keys=np.array(keys), tokens=np.stack([self._known[key] for key in keys]))
        partial.replace(path)


def _batches(pictures: Iterable[AbstractPicture]) -> Iterator[list[AbstractPicture]]:
    pictures = iter(pictures)
    while some := list(islice(pictures, BATCH)):
        yield some


def _smaller_than_pixels(tokenizer: AbstractTokenizer) -> bool:
    spec = tokenizer.spec
    return spec.num_tokens * spec.dim < 3 * spec.size_px ** len(spec.grid)


def identity(tokenizer: AbstractTokenizer) -> str:
    """Twelve hex digits that change when what its tokens follow from does: a config without its painter, or any weight.

    Of the weights' bytes and not of sums, which depend on the number of threads.
    """
    found = hashlib.sha256(tokenizer.config.encodes_as.digest().encode())
    for name, tensor in sorted(tokenizer.weights().items()):
        found.update(name.encode() + tensor.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:12]
