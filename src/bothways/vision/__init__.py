"""Visual tokenizers: pixels to tokens and, where tokens determine pixels, back."""

from bothways.core.catalogue import Catalogue

TOKENIZERS = Catalogue(
    "visual tokenizer",
    {
        "vq": "bothways.vision.configs:VQConfig",
        "patches": "bothways.vision.configs:PatchConfig",
    },
)
