"""A sample as the sequence that a model's config makes of it. No torch here: lengths are known before any model is built."""

from __future__ import annotations

from bothways.core.sample import Sample
from bothways.core.spec import VisualSpec
from bothways.layout.build import build
from bothways.layout.sequence import Sequence
from bothways.layout.wording import Wording
from bothways.model.config import ModelConfig


def lay_out(
    config: ModelConfig,
    wording: Wording,
    given: VisualSpec,
    learned: VisualSpec,
    sample: Sample,
    drop: frozenset[str] = frozenset(),
    step: int = 0,
    seed: int = 0,
    share: float | None = None,
) -> Sequence:
    """The sequence of a sample under these tokenizers; `drop`, `step` and `seed` as in `build`. `share` of a masked picture's
    tokens that is hidden; None: as in training.

    Raises: DataError when it is too long.
    """
    return build(
        sample,
        wording,
        given,
        learned,
        drawing=config.drawing if share is None else config.drawing.at(share),
        causal_given=config.causal_given,
        same_tokens=config.same_tokens,
        drop=drop,
        max_tokens=config.max_tokens,
        seed=seed,
        step=step,
    )
