"""How the shipped `captioned` tower is trained: which caption belongs to which picture, by SigLIP's sigmoid loss.

Every picture of a step is held against every caption of it: one binary question a pair, with a learned temperature and bias
(Zhai et al. 2023, arXiv 2303.15343, section 3.2; both start at its values, 10 and -10). The picture is pooled by learned
queries from the tower's last state, the text by a small transformer over the house's text tokenizer. Both, and the
text side's weights, are thrown away after training.

Captions come from the world's own `say`; that they name everything is set in the world (watch: `speech: {names_all: 1}`),
so this tower is told all that is ever asked: it is a declared contrast to `semantic`, whose training has seen no word.
Deviations from SigLIP: minutes instead of weeks, tens of pairs a step instead of 32,000. No augmentation but a little noise,
for flips, crops and colour changes would make captions false.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of
from bothways.core.tally import Tally
from bothways.layout.wording import load_wording
from bothways.vision.objective import AbstractObjective, batches_of, pixels_of
from bothways.vision.pooling import Pooling
from bothways.vision.semantic import SemanticTokenizer
from bothways.vision.training_configs import CaptionConfig
from bothways.worlds.world import ScenePicture


@dataclass(frozen=True)
class PairBatch:
    """Pictures and their captions; `real` marks the ids that are no padding."""

    pixels: Float[Tensor, "B 3 P P"]
    ids: Int[Tensor, "B T"]
    real: Bool[Tensor, "B T"]

    @property
    def counts(self) -> dict[str, int]:
        return {"pairs": len(self.pixels)}

    @property
    def num_samples(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device | str) -> PairBatch:
        return PairBatch(self.pixels.to(device), self.ids.to(device), self.real.to(device))


class CaptionTraining(AbstractObjective):
    """The tower with a text side; gradients reach all of it."""

    def __init__(self, tokenizer: SemanticTokenizer, config: CaptionConfig):
        super().__init__()
        self.config, self.tokenizer = config, tokenizer.requires_grad_(True).train()
        self._wording = load_wording(config.text)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(config.seed, "caption"))
            self.pool = Pooling(tokenizer.spec.dim, config.dim)
            self.text = TextTower(self._wording.vocab_size, config)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def batch(self, pictures: list[ScenePicture], draws: np.random.Generator) -> PairBatch:
        """Raises: ConfigError when a world gives no caption, or one that is too long."""
        pixels = pixels_of(pictures, self.tokenizer.spec.size_px)
        noise = self.config.noise * draws.standard_normal(pixels.shape, dtype=np.float32)
        rows = [self._ids(_caption(picture, draws)) for picture in pictures]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._wording.pad)
        real = torch.arange(ids.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
        return PairBatch(pixels + torch.from_numpy(noise), ids, real)

    def _ids(self, caption: str) -> Int[Tensor, "T"]:
        ids = torch.from_numpy(self._wording.encode(caption).copy())
        if len(ids) > self.config.max_tokens:
            raise ConfigError(
                f"The caption {caption!r} has {len(ids)} tokens and training.max_tokens is {self.config.max_tokens}; a caption "
                "that is cut no longer names everything, so raise it."
            )
        return ids

    def terms(self, batch: PairBatch) -> dict[str, Tally]:
        """`pairs`: SigLIP's loss, summed over pictures (each has one true caption and the others')."""
        seen = self.pool(self.tokenizer.states(batch.pixels)[-1])
        told = self.text(batch.ids, batch.real)
        return {"pairs": Tally(pair_loss(seen, told, self.log_scale.exp(), self.bias), len(batch.pixels))}

    def finish(self, pictures: list[ScenePicture]) -> None:
        self.tokenizer.measure(batches_of(pictures, self.tokenizer.spec.size_px))


def pair_loss(seen: Float[Tensor, "B E"], told: Float[Tensor, "B E"], scale: Tensor, bias: Tensor) -> Tensor:
    """Sum over all B * B pairs of -log sigmoid(+-(scale * inner product + bias)), plus where caption and picture belong."""
    logits = seen @ told.T * scale + bias
    sign = 2 * torch.eye(len(logits), device=logits.device) - 1
    return -F.logsigmoid(sign * logits).sum()


class TextTower(nn.Module):
    """A small transformer over the caption's ids, pooled as pictures are. Reads both ways; padding is read by nobody."""

    def __init__(self, vocab_size: int, config: CaptionConfig):
        super().__init__()
        width = config.text_width
        self.embed = nn.Embedding(vocab_size, width)
        self.place = nn.Parameter(torch.randn(config.max_tokens, width))
        layer = nn.TransformerEncoderLayer(width, config.text_heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, config.text_layers, enable_nested_tensor=False)
        self.pool = Pooling(width, config.dim)

    def forward(self, ids: Int[Tensor, "B T"], real: Bool[Tensor, "B T"]) -> Float[Tensor, "B E"]:
        hidden = self.layers(self.embed(ids) + self.place[: ids.shape[1]], src_key_padding_mask=~real)
        return self.pool(hidden, real)


def _caption(picture: ScenePicture, draws: np.random.Generator) -> str:
    captions = picture.world.say(picture.scene, "understanding", draws).captions
    if not captions:
        raise ConfigError(f"The world `{picture.world.kind}` says no caption about {picture.key}; train on worlds that do.")
    return captions[0].text
