"""Pictures as the tokens that a model drew, with the order in which it drew them: free-running, or teacher-forced.

Teacher-forced is the same engine at the same settings, fed the true tokens in place of what it drew: so each token is what the
model would draw next if all before it were right, whatever head, guidance, order and number of steps.
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
    """M pictures of N tokens. `tokens`: Long "M N" or Float "M N C", in raster order; `order[m, n]` is the raster index of the
    token that was drawn n-th."""

    tokens: Tensor
    order: Int[Tensor, "M N"]


def drawn(
    model: UnifiedModel,
    samples: list[Sample],
    how: How,
    truth: Tensor | None = None,
    batch_size: int = 64,
    progress: Callable[[int], None] = lambda done: None,
) -> Drawn:
    """What the model draws for samples of one image each, of which no two have the same id. `truth`: the true pictures' tokens,
    "M N" or "M N C" in raster order, for teacher forcing. Raises: as `Engine.add` and `check_drawn_as_tokens`."""
    check_drawn_as_tokens(model.config)
    parts = []
    for start in range(0, len(samples), batch_size):
        some = samples[start : start + batch_size]
        told = {} if truth is None else dict(zip([s.id for s in some], truth[start : start + batch_size], strict=True))
        watch = _Watch({name: apart(tokens) for name, tokens in told.items()})
        run(Engine(model, how, watch), some)
        parts += [watch.seen[sample.id] for sample in some]
        progress(len(some))
    places = np.array([[place for place, _ in seen] for seen in parts])
    tokens = np.array([[token for _, token in sorted(seen, key=lambda one: one[0])] for seen in parts])
    return Drawn(torch.from_numpy(tokens), torch.from_numpy(places))


def check_drawn_as_tokens(config: ModelConfig) -> None:
    """Raises: ConfigError for pictures that are predicted in place, whose tokens have no order, and for targets in the
    embedding space, where what is drawn from place to place is no token yet."""
    if config.drawing.in_place:
        raise ConfigError(
            f"The head `{config.head.kind}` draws whole pictures in place, so no token comes before another; ask for the "
            "order of drawing of a model that draws token after token."
        )
    if config.target is not None:
        raise ConfigError(
            "The model draws in its input-embedding space (model.target), and what it draws cannot be followed token by token "
            "there; ask for the order of drawing of a model without model.target."
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
