"""Visual tokenizers: pixels to tokens and, where tokens determine pixels, back; and how they are trained."""

from bothways.core.catalogue import Catalogue

TOKENIZERS = Catalogue(
    "visual tokenizer",
    {
        "vq": "bothways.vision.configs:VQConfig",
        "patches": "bothways.vision.configs:PatchConfig",
        "kl": "bothways.vision.kl_config:KLConfig",
        "semantic": "bothways.vision.configs:SemanticConfig",
        "codes": "bothways.vision.codes_config:CodesConfig",
        "code_vectors": "bothways.vision.codes_config:CodeVectorsConfig",
        "warped": "bothways.vision.warp_config:WarpedConfig",
    },
)
PAINTERS = Catalogue(
    "painter",
    {
        "direct": "bothways.vision.painter_configs:DirectPainterConfig",
        "masked": "bothways.vision.painter_configs:MaskedPainterConfig",
    },
)
OBJECTIVES = Catalogue(
    "objective of a visual tokenizer",
    {
        "quantise": "bothways.vision.training_configs:VQTrainingConfig",
        "autoencode": "bothways.vision.training_configs:KLTrainingConfig",
        "paint": "bothways.vision.training_configs:PaintConfig",
        "paint_latents": "bothways.vision.training_configs:PaintLatentsConfig",
        "cluster": "bothways.vision.training_configs:ClusterConfig",
        "distill": "bothways.vision.training_configs:DistillConfig",
        "caption": "bothways.vision.training_configs:CaptionConfig",
    },
)
