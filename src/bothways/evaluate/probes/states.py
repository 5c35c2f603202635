"""What a model makes of pictures on their way through it: as a given picture and as a learned one, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from bothways.backbones.backbone import Reads
from bothways.core.errors import DataError
from bothways.core.sample import AbstractPicture, Image, Sample, Text
from bothways.layout.batch import Batch, collate
from bothways.layout.sequence import Content
from bothways.model.unified import UnifiedModel

BATCH = 50
SIDES = ("given", "learned")
States = dict[str, Float[Tensor, "M N D"]]
"""Name of a stage (`tokens`, `projector`, `layer 1`, ...) -> states of M pictures at N places in raster order."""


@torch.inference_mode()
def states_of(model: UnifiedModel, pictures: Sequence[AbstractPicture], side: str) -> States:
    """States of pictures that are read (`given`) or taken for drawn (`learned`, teacher-forced).

    No text can help: a given picture stands before any, and a learned picture's request is dropped, as in guidance's
    unconditional pass. A learned picture's token has read only those before it. `tokens` are the tokenizer's own vectors;
    `projector` is what enters the backbone, embeddings of places included; the last layer comes after the last norm.
    Raises: DataError when the layout shows no clean tokens of a learned picture.
    """
    model.eval()
    found: dict[str, list[Tensor]] = {}
    for start in range(0, len(pictures), BATCH):
        batch = _batch(model, pictures[start : start + BATCH], side)
        rows, columns = _where(batch, len(pictures[start : start + BATCH]))
        tokenizer, tokens = getattr(model, side), getattr(batch, f"{side}_tokens")
        reads = Reads.within(batch.doc, batch.block, batch.private, batch.drawing)
        layers = model.backbone.layers(model.embed(batch), reads, batch.position)
        found.setdefault("tokens", []).append(tokenizer.vectors(tokens).float())
        for number, states in enumerate(layers):
            found.setdefault(f"layer {number}" if number else "projector", []).append(states[rows, columns])
    return {name: torch.cat(parts).clone() for name, parts in found.items()}


def _batch(model: UnifiedModel, pictures: Sequence[AbstractPicture], side: str) -> Batch:
    learn = side == "learned"
    segments = [(Text("."), Image(p, learn=True)) if learn else (Image(p), Text(".", learn=True)) for p in pictures]
    samples = [Sample(f"probe/{p.key}", some, "probe") for p, some in zip(pictures, segments, strict=True)]
    dropped = frozenset({"text"}) if learn else frozenset()
    batch = collate([model.lay_out(sample, dropped) for sample in samples], samples)
    return model.attach(batch).to(model.nothing_text.device)


def _where(batch: Batch, num: int) -> tuple[Tensor, Tensor]:
    """Row and column of every image token, (B, N) each, in raster order."""
    clean = (batch.content == int(Content.CLEAN)) & (batch.picture >= 0)
    rows, columns = clean.nonzero(as_tuple=True)
    if not len(rows) or len(rows) % num or (batch.content == int(Content.HIDDEN)).any():
        raise DataError("This layout shows the model no clean tokens of the picture, so there are no states to probe.")
    rows, columns = rows.view(num, -1), columns.view(num, -1)
    order = batch.place[rows, columns].argsort(1)
    return rows, columns.gather(1, order)
