"""Best of n: a model draws a request n times, reads its own drawings and keeps the one that it describes best.

How well a drawing is described is the likelihood of the request's own words as the caption of the picture, teacher-forced. What
the words cost without any picture is the same for all drawings of a request, so this ranks them as their mutual information
with the request would. The model has to have learned to caption; one that only draws ranks at random.

Source: best of n by a verifier, as in Cobbe et al. 2021 (arXiv 2110.14168); here the verifier is the model's own other half.
Which inference-time scaling P2 means is not stated; this one needs both of a unified model's skills and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from bothways.core.errors import ConfigError
from bothways.core.randomness import seed_of
from bothways.core.sample import Image, Sample, Text
from bothways.generate.engine import Engine, fill, run
from bothways.heads.choose import How
from bothways.model.config import ModelConfig
from bothways.model.unified import UnifiedModel
from bothways.vision.painter import painting_as, painting_of
from bothways.vision.painting_config import PaintingConfig

CAPTION_PROMPT = "describe the picture."


@dataclass(frozen=True)
class Candidate:
    """One drawing of a request: the sample, filled, and what the drawing itself is worth to the head, in nats (-log p at
    temperature 1, unguided; 0 where the head has no likelihood)."""

    sample: Sample
    nats: float


def best_of(model: UnifiedModel, samples: list[Sample], how: How, num: int, batch_size: int = 64) -> list[Sample]:
    """The samples, each with that of `num` drawings whose request the model finds likeliest; of several learned images the last
    one counts. 1 draws as usual.

    Raises: ConfigError for less than 1, or where all drawings of a request would be the same; DataError when a sample, or the
    description of its picture, does not fit the model's context.
    """
    check_best_of(model, how, num)
    if num == 1:
        return fill(model, samples, how, batch_size)
    drawn = candidates(model, samples, how, num, batch_size)
    nats = [described(model, [one.sample for one in of], batch_size) for of in drawn]
    return [of[told.index(min(told))].sample for of, told in zip(drawn, nats, strict=True)]


def check_best_of(model: UnifiedModel, how: How, num: int) -> None:
    """Raises: ConfigError when the best of `num` cannot be chosen: there is none, or all would be the same drawing."""
    if num < 1:
        raise ConfigError(f"Found best_of {num}; expected at least 1, the number of drawings of which the best is kept.")
    if num > 1 and not varies(model, how):
        raise ConfigError(
            f"Found best_of {num} at temperature 0 in raster order, where every drawing of a request is the same; set a "
            "temperature above 0 (the head `regression` has none, so train it with model.order=random, or give its tokens a "
            "`masked` painter)."
        )


def varies(model: UnifiedModel, how: How) -> bool:
    """Whether another seed gives another drawing: by its tokens, or by how they are painted."""
    painting = painting_of(model.paints)
    painted = painting is not None and (painting.temperature > 0 or painting.num_iterations > 1)
    return painted or tokens_vary(model.config, how)


def tokens_vary(config: ModelConfig, how: How) -> bool:
    """Whether another seed gives other tokens, or another order in which they are drawn."""
    return how.temperature > 0 or config.drawn_in(how.order).order != "raster"


def candidates(
    model: UnifiedModel,
    samples: list[Sample],
    how: How,
    num: int,
    batch_size: int = 64,
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[Candidate]]:
    """`num` drawings of each sample. The first is the one that `how` names; the seeds of the others follow from its own, and so
    do those of a painter that draws. Tokens that no seed changes are drawn once and painted `num` times."""
    rounds: list[list[Candidate]] = [[] for _ in range(num)]
    for start in range(0, len(samples), batch_size):
        engine = None
        for which, found in enumerate(rounds):
            with torch.inference_mode(), painting_as(model.paints, _painting(model, which)):
                if engine is None or tokens_vary(model.config, how):
                    engine = run(Engine(model, _seeded(how, which)), samples[start : start + batch_size])
                filled = engine.results()
            found += [Candidate(sample, row.nats) for sample, row in zip(filled, engine.rows, strict=True)]
            progress(len(filled))
    return [list(of) for of in zip(*rounds, strict=True)]


def _seeded(how: How, which: int) -> How:
    return replace(how, seed=seed_of(how.seed, "best of", which)) if which else how


def _painting(model: UnifiedModel, which: int) -> PaintingConfig | None:
    own = painting_of(model.paints)
    return own.with_changes({"seed": seed_of(own.seed, "best of", which)}) if own and which else None


def described(model: UnifiedModel, filled: Sequence[Sample], batch_size: int = 64) -> list[float]:
    """-log p of each sample's request, its given texts, as the description of the last picture it learned to draw: nats."""
    captions = [description(sample) for sample in filled]
    parts = [captions[start : start + batch_size] for start in range(0, len(captions), batch_size)]
    return [float(found.text.total) for part in parts for found in model.eval().held_out(part)]


def description(sample: Sample) -> Sample:
    """The caption that a perfect reader would give of what was drawn: the picture given, the request's words learned."""
    picture = [s.content for s in sample.segments if isinstance(s, Image) and s.learn][-1]
    words = "\n".join(s.content for s in sample.segments if isinstance(s, Text) and not s.learn and s.content)
    segments = Image(picture), Text(CAPTION_PROMPT), Text(words, learn=True)
    return Sample(f"{sample.id}/described", segments, sample.source)
