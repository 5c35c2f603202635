"""How a second reader is trained: renderings of the train split, disturbed and rebuilt by tokenizers, and the facts of their
scenes. No reader is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from bothways.core.tally import Tally
from bothways.evaluate.second.augment import disturbed, nothing
from bothways.evaluate.second.configs import SecondReaderConfig
from bothways.evaluate.second.labels import IGNORED
from bothways.vision.tokenizer import AbstractTokenizer, to_unit
from bothways.worlds.world import ScenePicture

_PAINTED_OVER = 0.2  # share of pictures of which a part is gone
_NOTHING = 0.05  # share of pictures that show nothing
_MIXED = 0.06  # share of pictures in which another shows through: what the two do not share is unreadable
_MIX = (0.4, 0.6)  # share of the other


@dataclass(frozen=True)
class LabelledBatch:
    """Pictures in [-1, 1] at the network's size, and a label a field; `counts`: labels by attribute."""

    pixels: Float[Tensor, "B 3 P P"]
    targets: Int[Tensor, "B F"]
    counts: Mapping[str, int]

    @property
    def num_samples(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device | str) -> LabelledBatch:
        return replace(self, pixels=self.pixels.to(device), targets=self.targets.to(device))


class SecondReaderTraining(nn.Module):
    """The network with what its training needs; offers `terms(batch)` to the trainer."""

    def __init__(self, config: SecondReaderConfig, tokenizers: Sequence[AbstractTokenizer], num_rebuilt: int):
        """`num_rebuilt`: pictures of a step that go through one of the tokenizers, which it is falls by lot."""
        super().__init__()
        self.config, self.labels, self.num_rebuilt = config, config.labels(), num_rebuilt
        self.network = config.build()
        self._tokenizers = tuple(tokenizers)  # a tuple, so that their weights are none of this module's

    def batch(self, pictures: list[ScenePicture], draws: np.random.Generator) -> LabelledBatch:
        """What a step trains on, a function of the pictures and the draws alone."""
        num = self.num_rebuilt if self._tokenizers else 0
        rebuilt, plain = pictures[:num], pictures[num:]
        parts, shown = [], []
        if rebuilt:
            tokenizer = self._tokenizers[draws.integers(len(self._tokenizers))]
            found, told = self._rendered(rebuilt, tokenizer.spec.size_px, draws)
            parts.append(scaled(rebuild(tokenizer, to_unit(found)), self.config.input_px))
            shown += told
        for picture in plain:
            size_px = self.config.sizes_px[draws.integers(len(self.config.sizes_px))]
            found, told = self._rendered([picture], size_px, draws)
            parts.append(scaled(to_unit(found), self.config.input_px))
            shown += told
        pixels = disturbed(torch.cat(parts), draws)
        pixels, targets = self._blanked(
            *self._mixed(pixels, torch.tensor([self.labels.targets(one) for one in shown]), draws), draws
        )
        return LabelledBatch(pixels, targets, self._counts(targets))

    def terms(self, batch: LabelledBatch) -> dict[str, Tally]:
        """Cross-entropy in nats, summed over labels, by attribute."""
        logits, totals = self.network(batch.pixels), dict.fromkeys(batch.counts, 0.0)
        for (name, found), target in zip(((n, logits[n]) for n in self.labels.fields), batch.targets.T, strict=True):
            attribute = name.partition("@")[0]
            totals[attribute] = totals[attribute] + F.cross_entropy(
                found.float(), target, ignore_index=IGNORED, reduction="sum"
            )
        return {name: Tally(total, batch.counts[name]) for name, total in totals.items()}

    def _rendered(
        self, pictures: Sequence[ScenePicture], size_px: int, draws: np.random.Generator
    ) -> tuple[np.ndarray, list[dict]]:
        """uint8 pictures, a part of some painted over, and what each shows."""
        pixels, shown = [], []
        for picture in pictures:
            facts, seen = picture.world.facts(picture.scene), picture.pixels(size_px)
            told = self.labels.of(facts)
            if draws.random() < _PAINTED_OVER:
                seen, gone = self.labels.painted_over(seen, facts, draws)
                told |= gone
            pixels.append(seen)
            shown.append(told)
        return np.stack(pixels), shown

    def _mixed(self, pixels: Tensor, targets: Tensor, draws: np.random.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(draws.random(len(pixels)) < _MIXED)
        share = torch.from_numpy(draws.uniform(*_MIX, len(pixels)).astype(np.float32)) * chosen
        other, others = pixels.roll(1, 0), targets.roll(1, 0)
        lost = chosen[:, None] & (targets != others)
        return torch.lerp(pixels, other, share[:, None, None, None]), torch.where(lost, self._unreadable, targets)

    def _blanked(self, pixels: Tensor, targets: Tensor, draws: np.random.Generator) -> tuple[Tensor, Tensor]:
        pixels = pixels.clone()
        for at in (draws.random(len(pixels)) < _NOTHING).nonzero()[0]:
            pixels[at], targets[at] = nothing(pixels.shape[-1], pixels[at], draws), self._unreadable
        return pixels, targets

    @property
    def _unreadable(self) -> Int[Tensor, "F"]:
        return torch.tensor([len(values) for values in self.labels.fields.values()])

    def _counts(self, targets: Tensor) -> dict[str, int]:
        counts: dict[str, int] = {}
        for name, labelled in zip(self.labels.fields, (targets != IGNORED).sum(0).tolist(), strict=True):
            attribute = name.partition("@")[0]
            counts[attribute] = counts.get(attribute, 0) + labelled
        return counts


@torch.no_grad()
def rebuild(tokenizer: AbstractTokenizer, pixels: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B 3 P P"]:
    """The pictures encoded and decoded, in [-1, 1]."""
    return tokenizer.decode(tokenizer.encode(pixels)).clamp(-1, 1)


def scaled(pixels: Float[Tensor, "B 3 P P"], side: int) -> Float[Tensor, "B 3 p p"]:
    """Pictures of another side, bilinear."""
    same = pixels.shape[-1] == side
    return pixels if same else F.interpolate(pixels, size=(side, side), mode="bilinear", align_corners=False)
