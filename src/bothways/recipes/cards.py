"""The card of a finished visual tokenizer: what it keeps of a picture, on scenes that it was not trained on.

Discrete tokens: use of the codebook. Tokens that can be drawn: what the world's reader reads on reconstructions. Continuous
tokens: probes of every attribute beside an untrained tokenizer of the same shape and shuffled labels; collapse; leak.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bothways.core.spec import Continuous, Discrete
from bothways.recipes.labels import FEW, FIT_PER_TEST, labels
from bothways.vision.configs import PatchConfig, TokenizerConfig
from bothways.vision.leak import collapse, leak
from bothways.vision.objective import pixels_of
from bothways.vision.probe import Labels, ProbeScore, attentive_probe, linear_probe
from bothways.vision.tokenizer import AbstractTokenizer, painted
from bothways.vision.vq_training import codebook_use
from bothways.worlds.world import AbstractWorld


@torch.no_grad()
def score(tokenizer: AbstractTokenizer, world: AbstractWorld, num_pictures: int) -> dict[str, Any]:
    """Everything measured on the world's first `num_pictures` validation scenes; probes are fitted on training scenes."""
    found: dict[str, Any] = {"num_pictures": num_pictures}
    if tokenizer.spec.can_draw:
        found |= reconstruction(tokenizer, world, num_pictures)
    if isinstance(tokenizer.spec.tokens, Discrete):
        tokens = tokens_of(tokenizer, world, "validation", num_pictures)
        found["codebook"] = codebook_use(tokens, tokenizer.spec.tokens.vocab)
    if isinstance(tokenizer.spec.tokens, Continuous):
        found |= contents(tokenizer, world, num_pictures)
    return found


def reconstruction(tokenizer: AbstractTokenizer, world: AbstractWorld, num_pictures: int) -> dict[str, Any]:
    """What the world's reader reads on reconstructions, and the pixel error.

    Per attribute: shares `right`, `wrong`, `unreadable`; for minute and second also `within_one` mark, for battery `within_5`.
    """
    scenes = [world.scene("validation", index) for index in range(num_pictures)]
    pictures = np.stack([world.render(scene, tokenizer.spec.size_px) for scene in scenes])
    tokens = tokens_of(tokenizer, world, "validation", num_pictures)
    drawn = np.stack(painted(tokenizer, tokens))
    readings = [world.read(picture) for picture in drawn]
    facts = [world.facts(scene) for scene in scenes]
    attributes = {
        name: _shares(name, [fact[name] for fact in facts], [reading[name].value for reading in readings])
        for name in readings[0]
        if facts[0].get(name) is not None
    }
    error = (drawn.astype(np.float32) - pictures.astype(np.float32)) / 255
    return {"attributes": attributes, "root_mean_square_error": round(float(np.sqrt((error**2).mean())), 4)}


def contents(tokenizer: AbstractTokenizer, world: AbstractWorld, num_pictures: int) -> dict[str, Any]:
    """Probes, collapse and leak of continuous tokens.

    Probes of each attribute: `linear` and `few_labels` on all tokens side by side, `pooled` on their mean, `attentive`; all
    also on an untrained tower; `shuffled_labels` is `linear` fitted to other pictures' labels. An untrained tower is nearly
    an invertible map of the pixels, so what training adds shows where labels are few and tokens are pooled.
    """
    num_fit = num_pictures * FIT_PER_TEST
    taught, asked = labels(world, num_fit, num_pictures)
    probes: dict[str, dict[str, Any]] = {}
    for prefix, of in (("untrained_", without_weights(tokenizer.config).build()), ("", tokenizer)):
        fit, test = tokens_of(of, world, "train", num_fit), tokens_of(of, world, "validation", num_pictures)
        _note(probes, prefix, probed(fit, taught, test, asked))
    side = tokenizer.spec.size_px // tokenizer.spec.grid[0]
    patches = PatchConfig(size_px=tokenizer.spec.size_px, patch_px=side).build()
    raw = torch.cat([tokens_of(patches, world, split, num_pictures) for split in ("validation", "train")])
    leaks = leak(torch.cat([test, fit[:num_pictures]])) | {"explained_in_patches": leak(raw)["explained"]}
    return {"probes": probes, "collapse": _rounded(collapse(test)), "leak": _rounded(leaks)}


def probed(fit: Tensor, taught: dict[str, Labels], test: Tensor, asked: dict[str, Labels]) -> dict[str, dict[str, ProbeScore]]:
    """Scores by probe and attribute."""
    flat, asked_flat = fit.flatten(1), test.flatten(1)
    shuffled = {f"shuffled {name}": it.shuffled() for name, it in taught.items()}
    linear = linear_probe(flat, taught | shuffled, asked_flat, asked | {f"shuffled {name}": it for name, it in asked.items()})
    few = {name: it[:FEW] for name, it in taught.items()}
    return {
        "linear": {name: linear[name] for name in taught},
        "shuffled_labels": {name: linear[f"shuffled {name}"] for name in taught},
        "few_labels": linear_probe(flat[:FEW], few, asked_flat, asked),
        "pooled": linear_probe(fit.mean(1), taught, test.mean(1), asked),
        "attentive": attentive_probe(fit, taught, test, asked),
    }


def without_weights(config: TokenizerConfig) -> TokenizerConfig:
    """The same shape with random weights, drawn for another seed than training began with."""
    return config.with_changes({**dict.fromkeys(config.files), "seed": config.seed + 1})


def tokens_of(tokenizer: AbstractTokenizer, world: AbstractWorld, split: Any, num_pictures: int) -> Tensor:
    """Tokens of the split's first pictures."""
    pictures = [world.picture(split, index) for index in range(num_pictures)]
    parts = [pictures[start : start + 50] for start in range(0, num_pictures, 50)]
    return torch.cat([tokenizer.encode(pixels_of(part, tokenizer.spec.size_px)) for part in parts])


def _note(probes: dict[str, dict[str, Any]], prefix: str, found: dict[str, dict[str, ProbeScore]]) -> None:
    """Enters scores under their attribute; those of `objects.kind=...` as the mean over values of `objects.kind`."""
    for probe, scores in found.items():
        grouped: dict[str, list[ProbeScore]] = {}
        for attribute, it in scores.items():
            grouped.setdefault(attribute.partition("=")[0], []).append(it)
        for attribute, them in grouped.items():
            chance = round(mean(it.chance for it in them), 3)
            at = probes.setdefault(attribute, {"unit": them[0].unit, "n": them[0].n, "chance": chance})
            at[f"{prefix}{probe}"] = round(mean(it.value for it in them), 3)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def _shares(name: str, truth: list, read: list) -> dict[str, float]:
    pairs = list(zip(truth, read, strict=True))

    def share(holds: Callable[[Any, Any], bool]) -> float:
        return round(sum(holds(t, r) for t, r in pairs) / len(pairs), 4)

    shares = {
        "right": share(lambda t, r: r == t),
        "wrong": share(lambda t, r: r is not None and r != t),
        "unreadable": share(lambda t, r: r is None),
    }
    if name in ("minute", "second"):
        shares["within_one"] = share(lambda t, r: r is not None and min((r - t) % 60, (t - r) % 60) <= 1)
    if name == "battery":
        shares["within_5"] = share(lambda t, r: r is not None and abs(r - t) <= 5)
    return shares
