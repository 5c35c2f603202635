"""Heads: from hidden states to image tokens. A head knows nothing of sequences, order or tasks."""

from bothways.core.catalogue import Catalogue

HEADS = Catalogue(
    "head",
    {
        "categorical": "bothways.heads.configs:CategoricalConfig",
        "regression": "bothways.heads.configs:RegressionConfig",
        "diffusion": "bothways.heads.configs:DiffusionConfig",
        "masked": "bothways.heads.configs:MaskedConfig",
        "denoise": "bothways.heads.configs:DenoiseConfig",
    },
)
