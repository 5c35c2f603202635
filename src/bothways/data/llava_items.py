"""LLaVA's conversations as items: `{"id", "image", "conversations": [{"from": "human" | "gpt", "value": text}, ...]}`.

`<image>` stands where a picture stands: in a human turn it is given, in a gpt turn it is to be drawn. `image` is a path, a
list of paths in the order of their marks, or absent. Other keys are ignored and counted. A JSON list or JSONL.
Source: LLaVA's data format (Liu et al. 2023); P1's generator writes the same without ids.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bothways.core.errors import DataError
from bothways.core.sample import AS_BOTH, Image, Role, Segment, Text
from bothways.data.configs import LlavaSourceConfig
from bothways.data.items import AbstractItems
from bothways.data.llava import IMAGE_MARK
from bothways.data.picture_checks import broken_among
from bothways.data.pixels import FilePicture

_USED = {"id", "image", "conversations"}
_ROLES: dict[str, Role] = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


class LlavaItems(AbstractItems):
    """The items of one file that pass `where` and, with a `request`, are captions.

    Records are kept as the JSON text that they came in: a tenth of what the parsed objects would take.
    """

    def __init__(self, config: LlavaSourceConfig):
        self._config = config
        self._path = Path(config.path)
        self._folder = Path(config.images) if config.images is not None else self._path.parent
        if config.images is not None and not self._folder.is_dir():
            raise DataError(f"There is no folder {self._folder}; set `images` to the folder that holds the pictures.")
        self._records: list[bytes] = []
        self._ids: list[str] = []
        self._ignored: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        taken: set[str] = set()
        for number, record in enumerate(read_records(self._path)):
            self._note(number, record, taken)
        if not self._records:
            why = "; ".join(f"{count} {reason}" for reason, count in self._left_out.items())
            raise DataError(f"{self._path} has no item to train on" + (f" ({why})." if why else ": its list is empty."))

    def __len__(self) -> int:
        return len(self._records)

    def id(self, index: int) -> str:
        return self._ids[index]

    def segments(self, index: int) -> tuple[Segment, ...]:
        segments = _segments(json.loads(self._records[index]), self._picture)
        return _as_request(segments, self._config.request) if self._config.request else segments

    def picture_names(self, index: int) -> tuple[str, ...]:
        try:
            return tuple(_names(json.loads(self._records[index])))
        except DataError:
            return ()

    def broken_pictures(self) -> dict[str, str]:
        names = {name for index in range(len(self)) for name in self.picture_names(index)}
        return broken_among({name: self._folder / name for name in names if _is_inside(name, self._folder)}, self._path)

    @functools.cached_property
    def checksum(self) -> str:
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

    @property
    def notices(self) -> tuple[str, ...]:
        told = [f"{key} ({count} items)" for key, count in sorted(self._ignored.items())]
        ignored = [f"{self._path}: keys that were ignored: {', '.join(told)}."] if told else []
        left_out = [f"{self._path}: {count} {reason}." for reason, count in self._left_out.items()]
        return (*ignored, *left_out)

    def _note(self, number: int, record: Any, taken: set[str]) -> None:
        if isinstance(record, dict):
            self._ignored.update(key for key in record if key not in _USED and key not in self._config.where)
            if not all(_matches(record.get(key), wanted) for key, wanted in self._config.where.items()):
                self._left_out["items left out by `where`"] += 1
                return
            if self._config.request and not _is_caption(record):
                self._left_out["items left out because they are no captions (one picture, one answer)"] += 1
                return
        name = str(record.get("id", number)) if isinstance(record, dict) else str(number)
        name = _printable(f"{name}#{number}" if name in taken else name)
        taken.add(name)
        self._ids.append(name)
        self._records.append(json.dumps(record).encode())

    def _picture(self, name: str) -> FilePicture:
        if not _is_inside(name, self._folder):
            raise DataError(
                f"its image path {name!r} leads out of the folder {self._folder}; set `images` to one that holds it"
            )
        return FilePicture(self._folder / name, self._config.fit)


def read_records(path: Path) -> Iterator[Any]:
    """The records of a JSON list or a JSONL file, as they are. A JSONL line that is no JSON comes as a str, a bad item.

    Raises: DataError when the file is missing, is no JSON, or holds no list.
    """
    if not path.is_file():
        raise DataError(
            f"There is no file {path if path.name else '(`path` is empty)'}; set `path` to a JSON list or a JSONL file."
        )
    try:
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8-sig") as file:
                yield from (_line(line) for line in file if line.strip())
            return
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8.") from None
    except (json.JSONDecodeError, RecursionError) as error:
        hint = "; if it has one object a line, call it .jsonl" if "Extra data" in str(error) else ""
        raise DataError(f"{path} is not JSON ({error}){hint}.") from None
    if not isinstance(records, list):
        keys = f" with the keys {', '.join(list(records)[:5])}" if isinstance(records, dict) else ""
        raise DataError(f"{path} holds a {_kind(records)}{keys}; expected a list of items: put them in [ ].")
    if not records:
        raise DataError(f"{path} holds an empty list; expected items to train on.")
    yield from records


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line


def _segments(record: Any, picture: Any) -> tuple[Segment, ...]:
    """Raises: DataError for everything that makes an item unusable but what is inside its picture files."""
    if not isinstance(record, dict):
        raise DataError(f"it is a {_kind(record)}; expected an object with `conversations`")
    names = iter(found := _names(record))
    turns = list(_turns(record))
    marks = sum(value.count(IMAGE_MARK) for _, value in turns)
    if marks != len(found):
        raise DataError(f"its texts hold {marks} {IMAGE_MARK} and its `image` names {len(found)}; expected as many")
    segments = [segment for role, value in turns for segment in _turn(role, value, names, picture)]
    if not any(segment.learn for segment in segments):
        raise DataError("it has no gpt turn, so there is nothing to learn")
    return tuple(_as_both(segments))


def _as_both(segments: list[Segment]) -> Iterator[Segment]:
    """Where a picture is drawn, those given are there to be drawn from, so they enter as what draws, too."""
    draws = any(isinstance(segment, Image) and segment.learn for segment in segments)
    for segment in segments:
        is_given = isinstance(segment, Image) and not segment.learn
        yield replace(segment, views=AS_BOTH) if draws and is_given else segment


def _names(record: Any) -> list[str]:
    value = record.get("image") if isinstance(record, dict) else None
    names = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name for name in names):
        raise DataError(f"its `image` is {str(value)[:40]!r}; expected a path or a list of paths")
    if odd := [name for name in names if "\0" in name or _printable(name) != name]:
        raise DataError(f"its `image` {odd[0][:40]!r} holds a character that no path can hold; mend the path")
    # One picture has one name, however it was written: data sets are split by these names.
    return [os.path.normpath(name) for name in names]


def _printable(text: str) -> str:
    """The text, halves of characters (JSON's "\\ud800") spelled out: they can be neither encoded nor written to a file."""
    return text.encode(errors="backslashreplace").decode()


def _turns(record: dict[str, Any]) -> Iterator[tuple[Role, str]]:
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise DataError("it has no `conversations`; expected a list of turns")
    for turn in turns:
        speaker, value = (turn.get("from"), turn.get("value")) if isinstance(turn, dict) else (None, None)
        if speaker not in _ROLES or not isinstance(value, str):
            raise DataError(f"its turn {str(turn)[:60]!r} has no `from` (human or gpt) with a text as `value`")
        if _printable(value) != value:
            raise DataError("a turn of it holds half a character (a lone surrogate); write the text again")
        yield _ROLES[speaker], value


def _turn(role: Role, value: str, names: Iterator[str], picture: Any) -> Iterator[Segment]:
    learn = role == "assistant"
    if not value.strip():
        raise DataError(f"a turn of its {'answers' if learn else 'questions'} is empty")
    # An answer is learned by its flag alone; `role` is told where it is not what the flag implies.
    told = role if role == "system" else None
    for number, text in enumerate(value.split(IMAGE_MARK)):
        if number:
            yield Image(picture(next(names)), learn, told)
        if text.strip():
            yield Text(text.strip(), learn, told)


def _as_request(segments: tuple[Segment, ...], request: str) -> tuple[Segment, ...]:
    image = next(segment for segment in segments if isinstance(segment, Image))
    caption = next(segment.content for segment in segments if isinstance(segment, Text) and segment.learn)
    return Text(request.replace("{caption}", caption or "")), replace(image, learn=True)


def _is_caption(record: dict[str, Any]) -> bool:
    """One given picture and one answer in words. Unusable items pass: they are to be told as such."""
    try:
        segments = _segments(record, FilePicture)
    except DataError:
        return True
    images = [segment for segment in segments if isinstance(segment, Image)]
    answers = [segment for segment in segments if isinstance(segment, Text) and segment.learn]
    return len(images) == len(answers) == 1 and not images[0].learn


def _matches(value: Any, wanted: str | tuple[str, ...]) -> bool:
    return str(value) in ((wanted,) if isinstance(wanted, str) else wanted)


def _is_inside(name: str, folder: Path) -> bool:
    """Whether a path stays in the folder as it is written; links inside are the owner's own business."""
    root = os.path.abspath(folder)
    return os.path.commonpath([root, os.path.abspath(folder / name)]) == root


def _kind(value: Any) -> str:
    names = {dict: "JSON object", list: "list", str: "text", int: "number", float: "number", bool: "yes or no"}
    return names.get(type(value), "null")
