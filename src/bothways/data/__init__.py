"""Where samples come from: worlds and one's own files, one source after another, batch by batch."""

from bothways.core.catalogue import Catalogue

SOURCES = Catalogue(
    "kind of data source",
    {
        "world": "bothways.data.configs:WorldSourceConfig",
        "llava": "bothways.data.configs:LlavaSourceConfig",
    },
)
