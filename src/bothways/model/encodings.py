"""The two frozen tokenizers of a model, each behind a cache of what it has encoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bothways.model.config import ModelConfig
from bothways.vision.cache import EncodingCache


@dataclass(frozen=True)
class Encodings:
    """Tokenizers behind caches; both sides are one object where the configs are equal."""

    given: EncodingCache
    learned: EncodingCache


def encodings_for(config: ModelConfig, folder: Path | None = None) -> Encodings:
    """The tokenizers of a model. `folder`: where encodings are kept between processes. Raises: ConfigError."""
    learned = EncodingCache(config.learned.build(), folder)
    if config.given == config.learned:
        return Encodings(learned, learned)
    given = config.given.build()
    return Encodings(learned.read_by(given) if config.same_tokens else EncodingCache(given, folder), learned)
