"""A tokenizer of continuous tokens that loses nothing, and the smallest models that draw them: used by the engine's tests."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch

from bothways.backbones.configs import CausalLMConfig
from bothways.core.sample import AbstractPicture
from bothways.core.spec import Continuous, VisualSpec
from bothways.heads.configs import DenoiseConfig, DiffusionConfig, RegressionConfig
from bothways.layout.batch import Batch
from bothways.model.config import EmbeddingConfig, ModelConfig, ProjectorConfig
from bothways.model.unified import UnifiedModel
from bothways.vision.configs import TokenizerConfig
from bothways.vision.tokenizer import AbstractTokenizer
from layouts import CHARACTERS
from tiny import apart

SIDE, DIM = 3, 3


class ColorConfig(TokenizerConfig):
    kind: Literal["color"] = "color"
    size_px: int = SIDE

    def build(self) -> AbstractTokenizer:
        return ColorTokenizer()


class ColorTokenizer(AbstractTokenizer):
    """A token a pixel: its colour, in [-1, 1]. Decoding does not clip, so nothing drawn is lost."""

    def __init__(self):
        super().__init__()
        self.config, self.spec = ColorConfig(), VisualSpec("color", Continuous(DIM), (SIDE, SIDE), SIDE, True)

    def encode(self, pixels):
        return pixels.flatten(2).transpose(1, 2)

    def vectors(self, tokens):
        return tokens

    def decode(self, tokens):
        return tokens.transpose(1, 2).reshape(-1, 3, SIDE, SIDE)


@lru_cache
def model(
    objective: str = "cosine",
    form: str = "",
    path: str = "auto",
    order: str = "raster",
    shared: bool = True,
    causal_given: bool = False,
    learn_marks: bool = False,
    in_place: bool = False,
    aligned_source: bool = False,
    drawing_layers: int = 0,
    embeds: bool = False,
) -> UnifiedModel:
    """In eval mode, with weights loud enough that what is read matters, and a head that has seen targets. `form` asks for the
    diffusion head in place of regression with `objective`, or for diffusion inside the backbone. `embeds`: input embeddings are
    predicted, on a scale of their own."""
    head = RegressionConfig(objective=objective)
    if form:
        head = DenoiseConfig(form=form) if in_place else DiffusionConfig(form=form, width=16, num_blocks=2)
    config = ModelConfig(
        given=ColorConfig(),
        learned=ColorConfig(),
        projector=ProjectorConfig(shared=shared),
        head=head,
        backbone=CausalLMConfig(size="tiny", attention=path, drawing_layers=drawing_layers),
        order=order,
        causal_given=causal_given,
        learn_marks=learn_marks,
        aligned_source=aligned_source,
        target=EmbeddingConfig(read_out_features=8) if embeds else None,
    )
    made = UnifiedModel(config, CHARACTERS).eval()
    for name, weight in made.named_parameters():
        if weight.ndim > 1:
            weight.data.mul_(2.0 if "lm_head" not in name else 40.0)
        if "zero_" in name:
            weight.data.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(1))
    seen = torch.rand(50, DIM, generator=torch.Generator().manual_seed(0))
    if embeds:
        made.target.observe(made.target.of(seen), seen, made.head, torch.zeros(50, made.backbone.width))
        made.target.after_step(0)
        seen = made.target.of(seen)
    made.head.observe(seen)
    return apart(made)


class Tokens(AbstractPicture):
    """A picture that is known by its tokens alone."""

    def __init__(self, tokens: np.ndarray):
        self.tokens = tokens

    @property
    def key(self) -> str:
        return str(self.tokens.tolist())

    def pixels(self, size_px: int) -> np.ndarray:
        raise AssertionError("a produced token is fed back as it is, not through pixels")


def attached(of: UnifiedModel, batch: Batch) -> Batch:
    """The batch with its tokens, none of which has been through a cache of encodings."""
    for learn, name in ((False, "given_tokens"), (True, "learned_tokens")):
        pictures = batch.pictures(learn)
        if pictures:
            found = [p.tokens if isinstance(p, Tokens) else of.encodings.given.tokens([p])[0].numpy() for p in pictures]
            setattr(batch, name, torch.from_numpy(np.stack(found)))
    return batch
