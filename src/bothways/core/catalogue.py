"""Catalogues: which names a room offers, and which file holds each. One line a part, imported only when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from bothways.core.errors import ConfigError, unknown


class Catalogue:
    """A table from names to `"module:Class"`; nothing is imported before `load`.

    `what` is the noun used in messages ("visual tokenizer"). A full `package.module:Class` is accepted as a name too, so
    that a part can live outside this package.
    """

    def __init__(self, what: str, entries: Mapping[str, str]):
        self.what = what
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, kind: object) -> bool:
        return kind in self._entries

    def load(self, kind: str) -> type:
        """The class called `kind`. Raises: ConfigError when there is none, with the nearest names."""
        if not isinstance(kind, str):
            raise ConfigError(f"Found {kind!r} as the kind of a {self.what}; expected a name: {', '.join(self)}.")
        target = self._entries.get(kind, kind)
        if ":" not in target:
            raise ConfigError(unknown(self.what, kind, self._entries))
        module, name = target.split(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            if kind in self._entries:
                raise
            raise ConfigError(f"The {self.what} `{kind}` cannot be imported ({error}); give `package.module:Class`.") from None
