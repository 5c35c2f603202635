"""Any transformers tokenizer as a wording: its chat template, cut at the borders of the segments, or the house template.

The template is rendered once a shape of conversation with a sentinel in place of each segment; what lies between the
sentinels are the template's own words. Each part is encoded on its own, so a prompt has the same ids as the beginning of
the sample it becomes, and text that looks like a special token is plain text.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from bothways.core.config import digest_of
from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import Segment
from bothways.layout.wording import NO_IDS, Frame, Wording, ends_turn, frozen

OPEN, CLOSE = "<|image_open|>", "<|image_close|>"
# Private-use characters: no template strips, splits or escapes them.
_SENTINEL = re.compile("\ue000([0-9]+)\ue001")
# Some templates (Llama 3.1) print today's date; a run must not change from one day to the next.
_CONSTANTS = {"date_string": "26 Jul 2024"}
Turn = tuple[str, bool]  # speaker, does it end with a learned end of turn


class ChatWording(Wording):
    """Wraps a copy of a transformers tokenizer and adds the two image marks to it where it lacks them.

    Without a chat template the house template is used. The end-of-turn token is the first special token that the template
    puts behind an assistant's words, else the tokenizer's end of text.
    """

    def __init__(self, tokenizer: Any):
        self._tokenizer = copy.deepcopy(tokenizer)
        self._tokenizer.add_tokens([OPEN, CLOSE], special_tokens=True)
        vocab = self._tokenizer.get_vocab()
        self.vocab_size = max(vocab.values()) + 1
        self.open, self.close = vocab[OPEN], vocab[CLOSE]
        self._special = {*self._tokenizer.all_special_ids, *self._tokenizer.added_tokens_decoder}
        self._has_template = bool(self._tokenizer.chat_template)
        self.end = self._find_end()
        self.start = self._first_of(self._tokenizer.bos_token_id, self.end)
        self.pad = self._first_of(self._tokenizer.pad_token_id, self.end)

    @classmethod
    def load(cls, name: str) -> Self:
        """From a folder or a name on the Hub. Raises: DataError when there is no tokenizer."""
        from transformers import AutoTokenizer

        try:
            return cls(AutoTokenizer.from_pretrained(name))
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(
                f"Cannot load the text tokenizer `{name}` ({reason}); give `asset:NAME`, a JSON file that `bpe.save` "
                "wrote, or a transformers tokenizer by folder or name."
            ) from None

    def __reduce__(self) -> tuple:
        return type(self), (self._tokenizer,)

    def save(self, folder: Path) -> None:
        self._tokenizer.save_pretrained(folder)

    @functools.cached_property
    def digest(self) -> str:
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        vocab = sorted(self._tokenizer.get_vocab().items())
        return digest_of([vocab, backend and backend.to_str(), self._tokenizer.chat_template])

    def decode(self, ids: Iterable[int]) -> str:
        kept = [i for i in map(int, ids) if i >= 0 and i not in self._special]
        return self._tokenizer.decode(kept, clean_up_tokenization_spaces=False)

    def spell(self, id: int) -> str:
        marks = {self.start: "^", self.end: "$", self.open: "<", self.close: ">"}
        text = self._tokenizer.decode([id], clean_up_tokenization_spaces=False)
        return marks.get(id) or (self._tokenizer.convert_ids_to_tokens(id) if "\ufffd" in text else text)

    def opening(self, segments: Sequence[Segment], whole_turns: bool = False) -> np.ndarray:
        """The start token, unless the template opens the conversation with words of its own."""
        opens_itself = self._has_template and segments and len(self.frames(segments, whole_turns)[0].before)
        return NO_IDS if opens_itself else super().opening(segments, whole_turns)

    def frames(self, segments: Sequence[Segment], whole_turns: bool = False) -> list[Frame]:
        if not self._has_template:
            return super().frames(segments, whole_turns)
        ends = ends_turn(segments, whole_turns)
        return self._framed(tuple((s.speaker, s.learn and ends) for s, ends in zip(segments, ends, strict=True)))

    @functools.cached_property
    def _framed(self) -> Callable[[tuple[Turn, ...]], list[Frame]]:
        return functools.lru_cache(maxsize=256)(self._template_frames)

    def _template_frames(self, turns: tuple[Turn, ...]) -> list[Frame]:
        between = self._between(turns)
        frames, before = [], between[0]
        for (_, ends), glue in zip(turns, between[1:], strict=True):
            end = NO_IDS
            if ends:
                length = int(np.flatnonzero(glue == self.end)[0]) + 1 if self.end in glue else 0
                end, glue = (glue[:length], glue[length:]) if length else (np.array([self.end]), glue)
            frames.append(Frame(before, NO_IDS, end, NO_IDS))
            before = glue
        if frames:
            frames[-1] = Frame(frames[-1].before, NO_IDS, frames[-1].end, before)
        return frames

    def _between(self, turns: tuple[Turn, ...]) -> list[np.ndarray]:
        """The ids of the template's own words before, between and behind the segments: one more than there are segments."""
        from jinja2.exceptions import TemplateError

        messages = _messages(turns)
        try:
            rendered = self._tokenizer.apply_chat_template(messages, tokenize=False, **_CONSTANTS) if messages else ""
        except TemplateError as error:
            raise DataError(
                f"The text tokenizer's chat template refuses turns by {[m['role'] for m in messages]} ({error}); give "
                "the segments other roles, or use a tokenizer without a chat template."
            ) from None
        words, found = _SENTINEL.split(rendered)[::2], [int(i) for i in _SENTINEL.findall(rendered)]
        if found != list(range(len(turns))):
            raise DataError(
                f"The text tokenizer's chat template shows segments {found} of {len(turns)}; it must show each once and in "
                "order, so use a tokenizer with another template or none."
            )
        return [frozen(self._tokenizer.encode(part, add_special_tokens=False)) for part in words]

    def _encode(self, text: str) -> Iterable[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def _find_end(self) -> int:
        if self._has_template:
            behind = self._between((("user", False), ("assistant", True)))[-1]
            for id in behind:
                if int(id) in self._special:
                    return int(id)
        return self._first_of(self._tokenizer.eos_token_id)

    def _first_of(self, *ids: int | None) -> int:
        for id in ids:
            if id is not None:
                return id
        raise ConfigError("The text tokenizer has no end-of-text token; set its `eos_token`, learned texts end with it.")


def _messages(turns: tuple[Turn, ...]) -> list[dict[str, str]]:
    """One message for neighbouring segments of one speaker; what ends a turn ends its message."""
    messages: list[dict[str, str]] = []
    ended = True
    for index, (speaker, ends) in enumerate(turns):
        sentinel = f"\ue000{index}\ue001"
        if ended or messages[-1]["role"] != speaker:
            messages.append({"role": speaker, "content": sentinel})
        else:
            messages[-1]["content"] += sentinel
        ended = ends
    return messages
