"""Everything needed to use a trained model lies in its run folder: config, text tokenizer, foreign tokenizer weights.

    config.yaml              `model` describes the parts
    parts/wording/           the text tokenizer
    parts/given.safetensors  weights of a visual tokenizer that does not ship with the package (else absent)
    checkpoints/step-N/      the trained weights (written by the trainer)
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bothways.core.disk import writing
from bothways.core.rundir import RunDir
from bothways.layout.wording import Wording, load_wording
from bothways.model.config import ModelConfig
from bothways.model.unified import Encodings, UnifiedModel


def keep_parts(run: RunDir, config: ModelConfig, wording: Wording) -> None:
    """Copies into the run folder what the config names and the package does not ship."""
    parts = run.path / "parts"
    with writing(parts):
        (parts / "wording").mkdir(parents=True, exist_ok=True)
        wording.save(parts / "wording")
        for side in ("given", "learned"):
            weights = getattr(getattr(config, side), "weights", None)
            if weights and not weights.startswith("asset:"):
                shutil.copyfile(weights, parts / f"{side}.safetensors")


def rebuild(run: RunDir, encodings: Encodings | None = None) -> UnifiedModel:
    """The run's model with its parts, untrained. Raises: ConfigError or RunError where a part is missing."""
    config = _with_kept_weights(ModelConfig.parse(run.config()["model"], where=f"{run.config_path}: model"), run.path / "parts")
    kept = run.path / "parts" / "wording"
    return UnifiedModel(config, load_wording(kept if kept.is_dir() else config.text), encodings)


def _with_kept_weights(config: ModelConfig, parts: Path) -> ModelConfig:
    kept = {f"{side}.weights": str(parts / f"{side}.safetensors") for side in ("given", "learned")}
    return config.with_changes({key: path for key, path in kept.items() if Path(path).exists()})
