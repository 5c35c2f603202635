"""Sample -> Sequence -> Batch: what sits where, who predicts what, who may read whom. Only `batch.py` needs torch.

Reading order: `sequence` (the noun), `wording` (text to ids), `build` (sample to sequence), `order`, `rule`, `xray`, `batch`.
"""

from bothways.core.catalogue import Catalogue

CATALOGUE = Catalogue(
    "wording",
    {
        "house": "bothways.layout.wording:HouseWording",
        "transformers": "bothways.layout.chat:ChatWording",
    },
)
