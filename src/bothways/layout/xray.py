"""X-ray: a sequence as rows of characters, one column a token, to be read in a terminal."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from bothways.layout.sequence import Content, Duty, Sequence
from bothways.layout.wording import Wording

DUTIES = {Duty.NONE: ".", Duty.TEXT: "T", Duty.IMAGE: "I", Duty.MARK: "M"}
CONTENTS = {
    Content.CLEAN: ".",
    Content.HIDDEN: "?",
    Content.NOISED: "~",
    Content.NOTHING_TEXT: "\u00f8",
    Content.NOTHING_IMAGE: "\u00d8",
}
LEGEND = """\
content  text as it is (^ start, $ end of turn, < > around an image, \u2423 space, \u21b5 new line);
         image tokens: . clean, ? hidden, ~ noised; one token for a dropped segment: \u00f8 text, \u00d8 image
duty     what is predicted here: T text, I image token, M opening mark, or end of turn behind an image; that of the next
         position, or of its own (in place)
block    a token reads its own and earlier blocks; a private block (bidirectional) is read by itself alone
place    raster index of an image token in its image
next     the place whose token is predicted here (shown where the order is not raster); asking: a private position that holds
         the last known token and asks for one of several places, then is gone"""
_ELLIPSIS = "\u2026"
_MAX_TEXT = 12
_LONGEST_IMAGE, _KEPT_FIRST, _KEPT_LAST = 12, 4, 3


def xray(sequence: Sequence, wording: Wording, width: int = 120, legend: bool = False) -> str:
    """Four rows: content, duty, block, place, wrapped at `width` characters; below them what each row means, if asked for. A
    fifth, next, where image tokens are not predicted in raster order.

    Where every token is one character wide the columns touch, else they stand apart. The middle of a long image is left out.
    """
    columns = [_column(sequence, wording, at) for at in range(len(sequence))]
    names = _names(sequence)
    columns = [columns[at][: len(names)] if at >= 0 else (_ELLIPSIS,) * len(names) for at in _shown(sequence)]
    lines = _wrapped(columns, names, width)
    return "\n".join([*lines, "", LEGEND] if legend else lines)


def _column(sequence: Sequence, wording: Wording, at: int) -> tuple[str, str, str, str, str]:
    content = Content(sequence.content[at])
    text = _printable(wording.spell(int(sequence.ids[at]))) if sequence.ids[at] >= 0 else " "
    shown = CONTENTS.get(content, text)
    duty = DUTIES[Duty(sequence.duty[at])]
    places = (str(place) if place >= 0 else "." for place in (sequence.place[at], sequence.next_place[at]))
    return shown, duty, letters(int(sequence.block[at])), *places


def letters(number: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa, ..."""
    name = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        name = ascii_lowercase[digit] + name
    return name


def _printable(text: str) -> str:
    shown = "".join(_visible(c) for c in text)
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 1] + _ELLIPSIS


def _visible(character: str) -> str:
    if character == " ":
        return "\u2423"
    if character == "\n":
        return "\u21b5"
    return character if character.isprintable() else repr(character)[1:-1]


def _shown(sequence: Sequence) -> list[int]:
    """The positions to show; -1 stands for the middle of a long image."""
    shown = np.arange(len(sequence))
    for span in sequence.images:
        if span.num_tokens > _LONGEST_IMAGE:
            shown[span.start + _KEPT_FIRST : span.start + span.num_tokens - _KEPT_LAST] = -1
    again = np.flatnonzero(shown[1:] + shown[:-1] == -2) + 1
    return np.delete(shown, again).tolist()


def _names(sequence: Sequence) -> list[str]:
    in_place = (sequence.predicts == np.arange(len(sequence))).any()
    asks = sequence.private & (sequence.next_place >= 0)
    told = [(sequence.private & ~asks, "bidirectional"), (asks, "asking")]
    private = "; ".join(f"{_letters_of(sequence.block[at])}: {what}" for at, what in told if at.any())
    ahead = (sequence.next_place >= 0) & (sequence.next_place != sequence.place + 1)
    return [
        "content",
        "duty (in place)" if in_place else "duty",
        f"block ({private})" if private else "block",
        "place",
        *(["next"] if ahead.any() else []),
    ]


def _letters_of(blocks: np.ndarray) -> str:
    """`f`, `f, g`, or `f to m` of more than two that follow one another."""
    found = np.unique(blocks).tolist()
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{letters(found[0])} to {letters(found[-1])}"
    return ", ".join(map(letters, found))


def _wrapped(columns: list[tuple[str, ...]], names: list[str], width: int) -> list[str]:
    gap = " " if any(len(cell) > 1 for column in columns for cell in column) else ""
    room = max(1, width - max(map(len, names)) - 3)
    lines: list[str] = []
    for group in _groups(columns, room, len(gap)):
        rows = [gap.join(column[row].ljust(max(map(len, column))) for column in group) for row in range(len(names))]
        lines += [""] if lines else []
        lines += [f"{row}   {name}" for row, name in zip(rows, names, strict=True)]
    return lines


def _groups(columns: list[tuple[str, ...]], room: int, gap: int) -> list[list[tuple[str, ...]]]:
    groups: list[list[tuple[str, ...]]] = [[]]
    used = 0
    for column in columns:
        needed = max(map(len, column)) + gap
        if groups[-1] and used + needed - gap > room:
            groups.append([])
            used = 0
        groups[-1].append(column)
        used += needed
    return groups
