"""The card of a visual tokenizer on picture files: how much of a held-out picture it gives back, in numbers and to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from bothways.core.spec import Discrete
from bothways.data.folder import FolderPictures
from bothways.evaluate.answers import write_png
from bothways.vision.objective import pixels_of
from bothways.vision.tokenizer import AbstractTokenizer, to_uint8
from bothways.vision.vq_training import codebook_use

NUM_SHOWN = 16  # held-out pictures in the contact sheet


@torch.no_grad()
def rebuilt(tokenizer: AbstractTokenizer, folder: FolderPictures, most: int, out: Path) -> dict[str, Any]:
    """Root mean square errors over pixels (0 to 1) of at most `most` held-out pictures: of the tokenizer, and of each picture's
    mean colour, which says how hard they are. A contact sheet `OUT.png` shows pictures above what is left of them."""
    pictures = [folder.picture("validation", index) for index in range(min(most, len(folder.held_out)))]
    true = pixels_of(pictures, tokenizer.spec.size_px)
    found: dict[str, Any] = {"num_pictures": len(pictures)}
    tokens = torch.cat([tokenizer.encode(some) for some in true.split(50)])
    if isinstance(tokenizer.spec.tokens, Discrete):
        found["codebook"] = codebook_use(tokens, tokenizer.spec.tokens.vocab)
    if not tokenizer.spec.can_draw:
        return found
    painted = torch.cat([tokenizer.decode(some) for some in tokens.split(50)])
    flat = true.mean((2, 3), keepdim=True).expand_as(true)
    for name, made in (("root_mean_square_error", painted), ("of_mean_colour", flat)):
        found[name] = round(float((made - true).square().mean().sqrt() / 2), 4)  # pixels run from -1 to 1
    rows = [np.concatenate(list(to_uint8(part[:NUM_SHOWN])), axis=1) for part in (true, painted)]
    write_png(out.with_name(f"{out.name}.png"), np.concatenate(rows))
    return found
