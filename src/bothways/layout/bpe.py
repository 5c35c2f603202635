"""Trains the house's text tokenizer: a byte-level BPE in which a number is always the same tokens.

Every byte is in the alphabet, so any text can be written and read back exactly. Each digit is a token of its own, and a
space before a digit is one too, so "7" has the same tokens in a question, an answer, a caption and a request.

Source: byte-level BPE and the word pattern are GPT-2's (Radford et al. 2019, section 2.2); deviation: digits apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from bothways.core.errors import DataError

NUM_BYTES = 256
# Letters and other signs take a leading space with them; a digit never does, because no alternative spans " 7".
_WORDS = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+|[0-9]| ?[^\s\p{L}0-9]|\s+(?!\S)|\s+"


def train(texts: Iterable[str], num_entries: int = 507) -> Tokenizer:
    """A tokenizer of `num_entries` (fewer if the texts give no more merges); the same texts give the same tokenizer.

    The default leaves room for the five marks of the house wording in a vocabulary of 512.
    Raises: DataError when `num_entries` cannot hold every byte.
    """
    if num_entries < NUM_BYTES:
        raise DataError(f"Asked for {num_entries} text tokens; every byte needs one, so give at least {NUM_BYTES}.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=num_entries,
        min_frequency=2,
        show_progress=False,
        special_tokens=[],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save(tokenizer: Tokenizer, path: Path) -> None:
    """Writes one JSON file, the same bytes for the same tokenizer."""
    path.write_text(tokenizer.to_str(pretty=True) + "\n", encoding="utf-8")


def load(path: Path) -> Tokenizer:
    """The tokenizer in a JSON file. Raises: DataError when the file is missing or is not one."""
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read the text tokenizer {path} ({error}); give the JSON that `bpe.save` wrote.") from None
    except Exception as error:  # `tokenizers` raises bare Exception for a file that it cannot parse
        raise DataError(f"{path} holds no text tokenizer ({error}); give the JSON that `bpe.save` wrote.") from None
