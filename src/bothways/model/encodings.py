"""The frozen tokenizers of a model, each behind a cache of what it has encoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bothways.model.config import ModelConfig
from bothways.vision.cache import EncodingCache


@dataclass(frozen=True)
class Encodings:
    """Tokenizers behind caches; both sides are one object where the configs are equal. `latents`: of a painter in the model."""

    given: EncodingCache
    learned: EncodingCache
    latents: EncodingCache | None = None


def encodings_for(config: ModelConfig, folder: Path | None = None) -> Encodings:
    """The tokenizers of a model. `folder`: where encodings are kept between processes. Raises: ConfigError."""
    learned = EncodingCache(config.learned.build(), folder)
    latents = EncodingCache(config.painter.masked.latents.build(), folder) if config.painter else None
    if config.given == config.learned:
        return Encodings(learned, learned, latents)
    given = config.given.build()
    return Encodings(learned.read_by(given) if config.same_tokens else EncodingCache(given, folder), learned, latents)
