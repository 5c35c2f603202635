"""Where the weights of visual tokenizers lie, and how a file of them is read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bothways.core.disk import read_json
from bothways.core.errors import ConfigError

if TYPE_CHECKING:
    from bothways.vision.tokenizer import AbstractTokenizer

ASSETS = Path(__file__).parent.parent / "assets"


def weights_path(name: str) -> Path:
    """`asset:vq` -> the shipped file; anything else is a path. Raises: ConfigError when it is empty."""
    if not name:
        raise ConfigError("Found an empty path of a tokenizer's weights; give `asset:NAME` or a file, or null for none.")
    return ASSETS / f"{name.removeprefix('asset:')}.safetensors" if name.startswith("asset:") else Path(name)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file in fp32. Raises: ConfigError when it is missing or broken."""
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        advice = "train them with `bothways train-tokenizer`"
        raise ConfigError(f"Cannot read the tokenizer weights {path} ({error}); {advice}.") from None


def check_size(card: Path, size_px: int) -> None:
    """The card beside the weights tells which size they were trained on; a network may take pictures of any.

    Raises: ConfigError when it is another one. A missing card is no error.
    """
    told = read_json(card) if card.is_file() else {}
    trained_px = told.get("recipe", {}).get("tokenizer", {}).get("size_px", size_px)
    if trained_px != size_px:
        raise ConfigError(
            f"The weights of {card.stem} were trained on pictures of {trained_px} px and the config says "
            f"{size_px}; set size_px={trained_px}, or train others with `bothways train-tokenizer`."
        )


def fingerprint(tokenizer: AbstractTokenizer) -> str:
    """Equal for tokenizers whose weights are equal in fp16, as files hold them: 32 hex digits."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tokenizer.weights().items()):
        found.update(name.encode() + tensor.detach().half().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def mark_of(tokenizer: AbstractTokenizer) -> Tensor:
    """The fingerprint as 16 whole numbers, to be kept among the weights of what was made for that tokenizer."""
    return torch.tensor(list(bytes.fromhex(fingerprint(tokenizer))), dtype=torch.float32)
