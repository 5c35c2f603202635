"""Everything needed to use a trained model lies in its run folder: config, text tokenizer, foreign tokenizer weights.

config.yaml              `model` describes the parts
parts/wording/           the text tokenizer
parts/given.safetensors  weights of a visual tokenizer that does not ship with the package (else absent); parts/given where
                         it is a pretrained folder; given-painter.safetensors its painter; given-of-weights.safetensors those
                         of the tokenizer that it wraps; `learned` and, of a painter's, `latents` likewise
parts/weights.json       checksums of the visual tokenizers' weights, shipped ones too: tokens of others mean nothing here
checkpoints/step-N/      the trained weights (written by the trainer; see checkpoint.py)
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bothways.core.disk import read_json, write_json, writing
from bothways.core.errors import RunError
from bothways.core.rundir import RunDir
from bothways.layout.wording import Wording, load_wording
from bothways.model import checkpoint
from bothways.model.config import ModelConfig
from bothways.model.encodings import Encodings
from bothways.model.unified import UnifiedModel
from bothways.vision.weights import weights_path

KEYS = {"given": "given", "learned": "learned", "latents": "painter.masked.latents"}  # name of a tokenizer -> its config
CHECKSUMS = "weights.json"


def keep_parts(run: RunDir, config: ModelConfig, wording: Wording) -> None:
    """Copies into the run folder what the config names and the package does not ship.

    Raises: RunError when the disk refuses, or the run began with other tokenizer weights.
    """
    parts = run.path / "parts"
    sums = _checksums(config)
    _check_weights(parts, sums)
    with writing(parts):
        (parts / "wording").mkdir(parents=True, exist_ok=True)
        wording.save(parts / "wording")
        for side, tokenizer in config.tokenizers.items():
            for field, name in tokenizer.files.items():
                if not name.startswith("asset:"):
                    _copy(Path(name), parts / _home(side, field))
    write_json(parts / CHECKSUMS, sums)


def _home(side: str, field: str) -> str:
    """What a tokenizer's file is called among the parts, without ending: `given`, `given-painter`."""
    return side if field == "weights" else f"{side}-{field}"


def _copy(source: Path, home: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, home, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, home.with_suffix(".safetensors"))


def _kept(home: Path) -> Path:
    return home if home.is_dir() else home.with_suffix(".safetensors")


def load(run: RunDir, step: int | None = None, encodings: Encodings | None = None) -> tuple[UnifiedModel, int]:
    """The trained model of a run in eval mode, and the step it comes from: `step`, or the newest valid checkpoint.

    Raises: RunError when the run holds no model, or no such checkpoint; ConfigError when a part is missing.
    """
    found = checkpoint.find(run, step)
    model = rebuild(run, encodings)
    found.load_into(model)
    return model.eval(), found.progress.step


def rebuild(run: RunDir, encodings: Encodings | None = None) -> UnifiedModel:
    """The run's model with its parts, untrained. Raises: ConfigError or RunError where a part is missing."""
    values = run.config()
    if values.get("kind") == "tokenizer":
        raise RunError(f"The run {run.path} holds a visual tokenizer and no model; give the folder of a `bothways train`.")
    if not isinstance(values.get("model"), dict):
        raise RunError(f"{run.config_path} describes no model (it has the keys {', '.join(values)}); is this a bothways run?")
    config = _with_kept_weights(ModelConfig.parse(values["model"], where=f"{run.config_path}: model"), run.path / "parts")
    _check_weights(run.path / "parts", _checksums(config))
    kept = run.path / "parts" / "wording"
    return UnifiedModel(config, load_wording(kept if kept.is_dir() else config.text), encodings)


def _with_kept_weights(config: ModelConfig, parts: Path) -> ModelConfig:
    # One tokenizer for both sides stays one: `learned` looks where `given` does.
    twins = {"learned": "given"} if config.given == config.learned else {}
    changes = {}
    for side, tokenizer in config.tokenizers.items():
        kept = {field: _kept(parts / _home(twins.get(side, side), field)) for field in tokenizer.files}
        changes[KEYS[side]] = tokenizer.with_files({field: path for field, path in kept.items() if path.exists()}).to_dict()
    return config.with_changes(changes)


def _checksums(config: ModelConfig) -> dict[str, str]:
    """`given`, `given-painter` and so on -> checksum of its file; what names none, or one that is missing, is left out."""
    tokenizers = config.tokenizers.items()
    named = {_home(side, field): name for side, tokenizer in tokenizers for field, name in tokenizer.files.items()}
    paths = {side: weights_path(name) for side, name in named.items()}
    paths = {side: path / "model.safetensors" if path.is_dir() else path for side, path in paths.items()}
    return {side: checkpoint.checksum(path) for side, path in paths.items() if path.is_file()}


def _check_weights(parts: Path, found: dict[str, str]) -> None:
    began = read_json(parts / CHECKSUMS) if (parts / CHECKSUMS).exists() else {}
    for side, checksum in found.items():
        if began.get(side, checksum) != checksum:
            raise RunError(
                f"The weights of the `{side}` tokenizer are not those that the run {parts.parent} was trained with, so tokens "
                "would mean something else; put the old weights back, or train again."
            )
