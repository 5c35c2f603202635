"""The second reader: a small network, one a world, that reads drawings too and knows nothing of how the first one does it.

It checks the world's own reader and decides nothing: `evaluate/agreement.py` counts where the two differ. It is trained on
renderings alone, with the facts of their scenes; what the first reader says is never a label, and what the second one says
never chooses what a model is trained on (import-linter holds that: nothing that makes or trains imports it).
"""

from bothways.core.catalogue import Catalogue

SECOND_READERS = Catalogue(
    "second reader",
    {
        "watch": "bothways.evaluate.second.configs:WatchReaderConfig",
        "shapes": "bothways.evaluate.second.configs:ShapesReaderConfig",
    },
)
