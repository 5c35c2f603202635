"""Visual tokenizers: pixels to tokens and, where tokens determine pixels, back; and how they are trained."""

from bothways.core.catalogue import Catalogue

TOKENIZERS = Catalogue(
    "visual tokenizer",
    {
        "vq": "bothways.vision.configs:VQConfig",
        "patches": "bothways.vision.configs:PatchConfig",
        "kl": "bothways.vision.kl_config:KLConfig",
        "semantic": "bothways.vision.configs:SemanticConfig",
        "warped": "bothways.vision.warp_config:WarpedConfig",
    },
)
OBJECTIVES = Catalogue(
    "objective of a visual tokenizer",
    {
        "quantise": "bothways.vision.training_configs:VQTrainingConfig",
        "autoencode": "bothways.vision.training_configs:KLTrainingConfig",
        "paint": "bothways.vision.training_configs:PaintConfig",
        "distill": "bothways.vision.training_configs:DistillConfig",
        "caption": "bothways.vision.training_configs:CaptionConfig",
    },
)
