"""Pictures as what a model's head predicted of them, token by token, in the order of drawing: free-running, or teacher-forced.

Teacher-forced is the same engine at the same settings, fed the true predictions in place of its own: so each is what the model
would draw next if all before it were right, whatever head, target, guidance, order and number of steps. A head that is always
right draws the same either way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from bothways.core.errors import ConfigError
from bothways.core.sample import Sample
from bothways.generate.engine import Engine, run
from bothways.generate.entering import apart
from bothways.generate.row import Row, Value
from bothways.heads.choose import How
from bothways.model.config import ModelConfig
from bothways.model.unified import UnifiedModel


@dataclass(frozen=True)
class Drawn:
    """M pictures of N tokens. `predicted`: tokens, Long "M N" or Float "M N C", or with `model.target` embeddings on the head's
    scale, Float "M N D", in raster order; `order[m, n]` is the raster index of the token that was drawn n-th."""

    predicted: Tensor
    order: Int[Tensor, "M N"]


def drawn(
    model: UnifiedModel,
    samples: list[Sample],
    how: How,
    truth: Tensor | None = None,
    batch_size: int = 64,
    progress: Callable[[int], None] = lambda done: None,
) -> Drawn:
    """What the model draws for samples of one image each, of which no two have the same id. `truth`: what the head should
    predict for the true pictures (`model.target.of` their tokens), in raster order, for teacher forcing. Raises: as
    `Engine.add` and `check_drawn_in_order`."""
    check_drawn_in_order(model.config)
    parts = []
    for start in range(0, len(samples), batch_size):
        some = samples[start : start + batch_size]
        told = {} if truth is None else dict(zip([s.id for s in some], truth[start : start + batch_size], strict=True))
        watch = _Watch({name: apart(them) for name, them in told.items()})
        run(Engine(model, how, watch), some)
        parts += [watch.seen[sample.id] for sample in some]
        progress(len(some))
    places = np.array([[place for place, _ in seen] for seen in parts])
    predicted = np.array([[value for _, value in sorted(seen, key=lambda one: one[0])] for seen in parts])
    return Drawn(torch.from_numpy(predicted), torch.from_numpy(places))


def check_drawn_in_order(config: ModelConfig) -> None:
    """Raises: ConfigError for pictures that are predicted in place, whose tokens have no order."""
    if config.drawing.in_place:
        raise ConfigError(
            f"The head `{config.head.kind}` draws whole pictures in place, so no token comes before another; ask for the "
            "order of drawing of a model that draws token after token."
        )


@dataclass
class _Watch:
    """Keeps what each row drew and where; feeds the truth where it is told."""

    truth: dict[str, list[Value]]
    seen: dict[str, list[tuple[int, Value]]] = field(default_factory=dict)

    def __call__(self, row: Row, tokens: list[Value]) -> list[Value]:
        if row.phase != "image":
            return tokens
        name, places = row.sample.id, row.places
        self.seen.setdefault(name, []).extend(zip(places, tokens, strict=True))
        return [self.truth[name][place] for place in places] if self.truth else tokens
