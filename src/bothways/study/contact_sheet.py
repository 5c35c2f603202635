"""A contact sheet: requests as rows, the real picture and every run's drawing of it as columns, in one small PNG.

Nothing is picked by hand: requests are the first of the exam, drawings those that were scored.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bothways.evaluate.answers import Line, read_answers, read_png
from bothways.evaluate.mark import world_of
from bothways.evaluate.paper import picture_of

TILE_PX, GAP_PX, TEXT_PX = 96, 8, 13
NUM_COLORS = 256  # of the palette, which keeps a sheet of ten columns below 300 kB; no colour is off by more than 20 of 255
INK, PAPER = "black", "white"


def contact_sheet(runs: Mapping[str, Path], num_requests: int = 6) -> bytes | None:
    """The PNG of the first requests that every run drew; `runs`: title of the column -> marked run folder.

    None where there is no run, or no request that all of them drew. Raises: RunError when answers cannot be read.
    """
    drawn = {title: _drawings(run) for title, run in runs.items()}
    if not drawn:
        return None
    first = next(iter(drawn.values()))
    shared = [line for name, line in first.items() if all(name in lines for lines in drawn.values())][:num_requests]
    if not shared:
        return None
    exam, _ = read_answers(next(iter(runs.values())) / "answers/final")
    world = world_of(exam)
    rows = []
    for request in shared:
        real = Image.fromarray(picture_of(world, request.picture).pixels(exam.size_px))
        files = [runs[title] / "answers/final" / str(lines[request.id].image) for title, lines in drawn.items()]
        made = [Image.fromarray(read_png(file)) for file in files]
        rows.append((request.prompt or "", [real, *made]))
    return _png(_sheet(["real", *runs], rows))


def _drawings(run: Path) -> dict[str, Line]:
    """Item id -> its line, of requests that were drawn."""
    return {line.id: line for line in read_answers(run / "answers/final")[1] if line.kind == "drawing" and line.image}


def _sheet(titles: Sequence[str], rows: Sequence[tuple[str, Sequence[Image.Image]]]) -> Image.Image:
    font = ImageFont.load_default(TEXT_PX)
    heads = [title.replace("-", "-\n", 1) for title in titles]
    step, line_px = TILE_PX + GAP_PX, TEXT_PX + 3
    width = GAP_PX + step * len(titles)
    texts = [textwrap.wrap(text, max(10, (width - 2 * GAP_PX) // (TEXT_PX // 2))) for text, _ in rows]
    head_px = 2 * line_px + 2 * GAP_PX
    height = head_px + sum(len(text) * line_px + step + GAP_PX for text in texts)
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        pen.multiline_text((GAP_PX + step * column, GAP_PX), head, INK, font)
    top = head_px
    for text, (_, pictures) in zip(texts, rows, strict=True):
        pen.multiline_text((GAP_PX, top), "\n".join(text), INK, font)
        top += len(text) * line_px + GAP_PX // 2
        for column, picture in enumerate(pictures):
            tile = picture.convert("RGB").resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC)
            sheet.paste(tile, (GAP_PX + step * column, top))
        top += step + GAP_PX // 2
    return sheet


def _png(sheet: Image.Image) -> bytes:
    held = io.BytesIO()
    small = sheet.quantize(NUM_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(held, format="PNG", optimize=True)
    return held.getvalue()
