"""Wording: a text tokenizer and a turn template; it turns the text segments of a sample into ids. No torch.

The house template has no role words: a sequence opens with the start token, a user's turn ends with a newline where
something else follows, an answer ends with the end-of-turn token. `chat.ChatWording` puts any transformers tokenizer, with
its own chat template, in the same place.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from tokenizers import Tokenizer

from bothways.core.config import digest_of
from bothways.core.errors import DataError
from bothways.core.sample import Image, Segment
from bothways.layout import bpe

NO_IDS = np.empty(0, dtype=np.int64)
FILE = "wording.json"
ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True)
class Frame:
    """The ids that a turn template puts around one segment. None of them is learned, except `end`.

    `before` and `after` stay when the segment is dropped. `closing` is the last part of a given text itself (the house's
    newline, say) and goes with it. `end` ends a learned text, or a learned image that ends its turn; its last id is the
    wording's end-of-turn token.
    """

    before: np.ndarray
    closing: np.ndarray
    end: np.ndarray
    after: np.ndarray


class Wording(ABC):
    """Ids of the marks, text to ids and back, and what stands around each segment (here: the house template)."""

    start: int
    """Opens every sequence."""
    end: int
    """Ends every learned text, or every learned turn (`ends_turn`); generation stops at it."""
    open: int
    """Stands before the tokens of an image, `close` behind them."""
    close: int
    pad: int
    """Stands for no text; batches mark padding by its document, so no model reads this id."""
    vocab_size: int
    """Number of ids, marks included: the rows that the text embedding must have."""

    def encode(self, text: str) -> np.ndarray:
        """int64 (n,), read-only; no marks, whatever the text contains. Raises: DataError for text that is not Unicode."""
        return self._remembered(text)

    @functools.cached_property
    def _remembered(self) -> Callable[[str], np.ndarray]:
        # Questions and answers recur all the time; a hit costs a twentieth of an encoding.
        return functools.lru_cache(maxsize=1 << 16)(self._encode_checked)

    def _encode_checked(self, text: str) -> np.ndarray:
        try:
            return frozen(self._encode(text))
        except (UnicodeEncodeError, TypeError):
            raise DataError(
                f"Found the text {text[:40]!r}, which is not valid Unicode (half of a surrogate pair); decode the file "
                "it came from as UTF-8."
            ) from None

    @abstractmethod
    def _encode(self, text: str) -> Iterable[int]:
        """The ids of `text`, no marks."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, marks left out; bytes that are not UTF-8 become U+FFFD."""

    @abstractmethod
    def spell(self, id: int) -> str:
        """One token as text for people; marks are `^` start, `$` end, `<` and `>`."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes what `load_wording(folder)` needs."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Twelve hex digits, equal exactly when texts get the same ids."""

    def opening(self, segments: Sequence[Segment], whole_turns: bool = False) -> np.ndarray:
        """What the sequence opens with, before any frame; here the start token."""
        return np.array([self.start], dtype=np.int64)

    def frames(self, segments: Sequence[Segment], whole_turns: bool = False) -> list[Frame]:
        """What stands around each segment. `whole_turns`: as in `ends_turn`."""
        following = [*segments[1:], None]
        ends = ends_turn(segments, whole_turns)
        return [self._house_frame(*each) for each in zip(segments, following, ends, strict=False)]

    def _house_frame(self, segment: Segment, following: Segment | None, ends: bool) -> Frame:
        if segment.speaker == "assistant":
            return self._answer_frame if ends else _BARE
        turn_ends = following is not None and (following.learn or following.speaker != segment.speaker)
        return self._turn_frame if turn_ends else _BARE

    @functools.cached_property
    def _answer_frame(self) -> Frame:
        end = np.array([self.end], dtype=np.int64)
        return Frame(NO_IDS, end, end, NO_IDS)

    @functools.cached_property
    def _turn_frame(self) -> Frame:
        return Frame(NO_IDS, self.encode("\n"), NO_IDS, NO_IDS)


_BARE = Frame(NO_IDS, NO_IDS, NO_IDS, NO_IDS)


def ends_turn(segments: Sequence[Segment], whole_turns: bool) -> list[bool]:
    """Which segments an end-of-turn token follows, where they are the assistant's: every text and no image.

    `whole_turns` (a model decides by itself to draw): the last segment of a turn alone, text or image. A turn goes on through
    neighbours of one speaker of which one is an image; two texts are two turns.
    """
    following = [*segments[1:], None]
    if not whole_turns:
        return [not isinstance(segment, Image) for segment in segments]
    return [after is None or not _goes_on(one, after) for one, after in zip(segments, following, strict=False)]


def _goes_on(one: Segment, after: Segment) -> bool:
    return one.speaker == after.speaker and (isinstance(one, Image) or isinstance(after, Image))


class HouseWording(Wording):
    """The house template over a byte-level BPE made by `bpe.train`; its five marks have the ids behind the BPE's.

    The marks are no strings inside the tokenizer, so no text can forge one.
    """

    def __init__(self, tokenizer: Tokenizer | str):
        """`tokenizer`: the object, or its JSON as text."""
        self._tokenizer = Tokenizer.from_str(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self._num_text = self._tokenizer.get_vocab_size()
        self.start, self.end, self.open, self.close, self.pad = range(self._num_text, self._num_text + 5)
        self.vocab_size = self._num_text + 5

    @classmethod
    def load(cls, path: Path) -> Self:
        """From the JSON that `bpe.save` wrote. Raises: DataError when it is missing or broken."""
        return cls(bpe.load(path))

    def __reduce__(self) -> tuple:
        return type(self), (self._tokenizer.to_str(),)

    def save(self, folder: Path) -> None:
        bpe.save(self._tokenizer, folder / FILE)

    @functools.cached_property
    def digest(self) -> str:
        return digest_of(self._tokenizer.to_str())

    def _encode(self, text: str) -> Iterable[int]:
        return self._tokenizer.encode(text).ids

    def decode(self, ids: Iterable[int]) -> str:
        return self._tokenizer.decode([i for i in map(int, ids) if 0 <= i < self._num_text])

    def spell(self, id: int) -> str:
        if id >= self._num_text:
            return "^$<>_"[id - self._num_text]
        text = self._tokenizer.decode([id])
        return self._tokenizer.id_to_token(id) if "\ufffd" in text else text


def load_wording(source: Path | str) -> Wording:
    """The wording of `asset:NAME` (shipped), of a JSON file, of a folder that `save` wrote, or of a transformers tokenizer
    by name or folder.

    Raises: DataError when there is none.
    """
    name = str(source)
    path = ASSETS / f"{name.removeprefix('asset:')}.json" if name.startswith("asset:") else Path(name)
    if (path / FILE).is_file():
        path = path / FILE
    if path.suffix == ".json":
        return HouseWording.load(path)
    from bothways.layout.chat import ChatWording

    return ChatWording.load(name)


def frozen(ids: Iterable[int]) -> np.ndarray:
    """A read-only int64 vector, safe to hand out of a cache."""
    vector = np.array(list(ids), dtype=np.int64)
    vector.flags.writeable = False
    return vector
