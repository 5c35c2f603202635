"""What the tests of the model share: the smallest unified models, random pictures, and samples of every pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from bothways.core.randomness import rng
from bothways.core.sample import ArrayPicture, Image, Sample, Text
from bothways.data.configs import MixtureConfig
from bothways.data.stream import MixtureStream
from bothways.layout.batch import Batch, collate
from bothways.layout.wording import load_wording
from bothways.model.config import ModelConfig
from bothways.model.encodings import Encodings, encodings_for
from bothways.model.unified import UnifiedModel

SIZE_PX = 48  # the smallest picture of the watch world
VQ = {
    "kind": "vq",
    "size_px": SIZE_PX,
    "num_codes": 32,
    "channel_multiplier": [1, 1, 1, 1],  # 3 x 3 tokens
    "latent_channels": 32,
    "weights": None,
}
PATCHES = {"kind": "patches", "size_px": SIZE_PX, "patch_px": 16}  # 3 x 3 tokens
SEMANTIC = {
    "kind": "semantic",
    "weights": None,
    "size_px": SIZE_PX,
    "patch_px": 16,
    "width": 24,
    "num_layers": 2,
    "num_heads": 2,
}
BACKBONE = {"kind": "transformers", "size": "tiny", "attention": "sdpa"}
FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "smollm3", "gemma2", "gemma3_text")
PATHS = ("sdpa", "eager", "matmul")
# Every family under every attention path that it has: sdpa knows no soft cap.
BACKBONES = [(family, path) for family in FAMILIES for path in PATHS if (family, path) != ("gemma2", "sdpa")]
BACKBONES += [("llama", "auto"), ("mistral", "auto")]  # the lean path
BRANCHED = ", branched"  # behind a family: positions that draw have their own top layer, which is not that of the others
BACKBONES += [(f"llama{BRANCHED}", path) for path in ("auto", *PATHS)]
BACKBONES += [(f"{family}{BRANCHED}", "eager") for family in ("qwen3", "gemma2")]  # norms of heads, norms behind layers
SEPARATE = {"projector": {"shared": False}}
READS_PATCHES = {"given": PATCHES, **SEPARATE}

WORDING = load_wording("asset:text")


def config(**changes: Any) -> ModelConfig:
    """The tiny model's config; `changes` are keys of ModelConfig."""
    return ModelConfig.parse({"given": VQ, "learned": VQ, "backbone": BACKBONE, "max_tokens": 128} | changes)


def model(**changes: Any) -> UnifiedModel:
    """A fresh tiny model; models of the same tokenizers share what they have encoded."""
    chosen = config(**changes)
    return UnifiedModel(chosen, WORDING, _encodings(chosen))


def backbone_model(family: str, path: str, window_tokens: int = 2, loudness: float = 1.0, **changes: Any) -> UnifiedModel:
    """A model in eval mode on that family. Windows of families that have them are set so short that one in force would hide
    what the block rule allows. `loudness` scales all matrices: initial weights are so small that a leak drowns in rounding."""
    branch = {"drawing_layers": 1} if family.endswith(BRANCHED) else {}
    backbone = BACKBONE | {"family": family.removesuffix(BRANCHED), "attention": path} | branch
    made = model(backbone=backbone, **changes).eval()
    for module in [made.backbone.lm.config, *made.modules()]:
        if getattr(module, "sliding_window", None):
            module.sliding_window = window_tokens
    for weight in made.parameters():
        if weight.ndim > 1:
            weight.data.mul_(loudness)
    return apart(made)


def apart(made: UnifiedModel) -> UnifiedModel:
    """The same model with copies for positions that draw that are no longer equal to the layers that they are copies of."""
    for name, weight in made.named_parameters():
        if ".drawing." in name:
            weight.data.copy_(weight.data.flip(0) if weight.ndim > 1 else 1.1 * weight.data)
    return made


def _encodings(chosen: ModelConfig) -> Encodings:
    known = {"given": chosen.given, "learned": chosen.learned}
    beside = {"painter": chosen.painter, "head": {"kind": "regression"}} if chosen.painter else {}
    return _shared(ModelConfig(**known, **beside))


@lru_cache
def _shared(chosen: ModelConfig) -> Encodings:
    return encodings_for(chosen)


def picture(number: int, size_px: int = SIZE_PX) -> ArrayPicture:
    """A coarse random pattern, another one for each number."""
    blocks = rng(0, "tiny picture", number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return ArrayPicture(np.kron(blocks, np.ones((size_px // 4, size_px // 4, 1), np.uint8)), f"tiny {number} {size_px}")


def given(number: int) -> Image:
    return Image(picture(number))


def drawn(number: int) -> Image:
    return Image(picture(number), learn=True)


PATTERNS = {
    "reading": (given(0), Text("What is the weather?"), Text("sunny", learn=True)),
    "drawing": (Text("Draw a red watch."), drawn(1)),
    "several turns": (given(0), Text("Hour?"), Text("7", learn=True), Text("Minute?"), Text("35", learn=True)),
    "editing": (given(0), Text("Make it red."), drawn(1), Text("done", learn=True)),
    "interleaved": (Text("one", learn=True), drawn(2), Text("two", learn=True), drawn(3)),
    "illustrated": (given(0), Text("Two?"), Text("1", learn=True), drawn(2), Text("2", learn=True), drawn(3)),
    "talk": (Text("Draw."), drawn(1), given(0), Text("Hour?"), Text("7", learn=True), drawn(2), Text("So?"), drawn(3)),
    "text alone": (Text("It is sunny. Weather?"), Text("sunny", learn=True)),
}


def sample(pattern: str, name: str = "") -> Sample:
    """The sample of a pattern; its source is the pattern's name."""
    return Sample(f"{pattern}{name}", PATTERNS[pattern], pattern)


def batch_of(of: UnifiedModel, samples: list[Sample], side: str = "right") -> Batch:
    """The samples laid out, padded on `side`, with the tokens of their pictures."""
    return of.attach(collate([of.lay_out(s) for s in samples], samples, side))


class Repeated:
    """A source that gives one pattern again and again, under another id each time."""

    def __init__(self, pattern: str):
        self.pattern = pattern

    def sample(self, cursor: int) -> Sample:
        return sample(self.pattern, f"@{cursor}")


def stream(of: UnifiedModel, per_step: dict[str, int], micro_batches: int = 1, **settings: Any) -> MixtureStream:
    """Batches of `per_step` samples of each pattern; conditions are dropped from every other drawing unless told otherwise."""
    sources = {name: (Repeated(name), number) for name, number in per_step.items()}
    return MixtureStream(sources, of.lay_out, of.attach, MixtureConfig(**({"drop_condition": 0.5} | settings)), micro_batches)
