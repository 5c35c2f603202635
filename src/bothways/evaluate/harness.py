"""`answer`: a model sits an exam. Everything that it says and draws goes into files; nothing is scored here (see mark.py)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.sample import AbstractPicture, Image, Sample
from bothways.data.worlds import ExamItem
from bothways.evaluate.answers import Line, rebuilt_id, write_answers, write_png
from bothways.evaluate.exam import sheet, text_of
from bothways.worlds.world import AbstractWorld

Fill = Callable[..., list[Sample]]  # (model, samples, how, batch_size=...) -> the samples, filled
DRAWINGS = ("drawing", "open_drawing", "edit")
WITH_TRUTH = {"drawing": "reconstruction", "edit": "edit_reconstruction"}  # those with one right picture: kind of its line
Rebuild = Callable[[list[AbstractPicture], int], np.ndarray]  # (pictures, size_px) -> uint8 (B, P, P, 3)


def answer(
    model: Any,
    world: AbstractWorld,
    items: Sequence[ExamItem],
    out_dir: Path,
    *,
    how: Any = None,
    how_to_draw: Any = None,
    split: str = "test",
    generate: bool = True,
    num_drawn: int | None = None,
    batch_size: int = 64,
    fill: Fill | None = None,
    rebuild: Rebuild | None = None,
) -> dict[str, float]:
    """Writes exam.json, answers.jsonl and images/ into `out_dir`; returns seconds by kind of work.

    Beside every drawing and edit stands the true picture, as the model's own way from tokens to pixels rebuilds it: what the
    reader gets from it is the ceiling.
    Seconds: `evaluate` (texts and likelihoods) and `draw` (pictures and reconstructions), as a study's ledger has them.
    `how` and `how_to_draw` are `How` for texts and pictures (default: greedy texts; pictures as `how`). `generate=False`
    takes likelihoods alone, for learning curves. `num_drawn`: of the items that can be drawn the first so many are; None: all
    of them where texts are generated too, else none. `fill` and `rebuild` replace the engine and the model's own tokenizer.
    Raises: RunError when the disk refuses.
    """
    clock = Clock()
    drawn = [item for item in items if item.kind in DRAWINGS][: (None if generate else 0) if num_drawn is None else num_drawn]
    how = how if how is not None or not (generate or drawn) else _default_how()
    texts = _texts(model, items, how, fill, batch_size, clock) if generate else {}
    images = _images(model, drawn, how_to_draw or how, fill, rebuild, batch_size, out_dir, clock)
    losses = _losses(model, items, batch_size, clock)
    lines = [_line(item, texts, images, losses) for item in items]
    lines += [_rebuilt_line(item, images[rebuilt_id(item.id)]) for item in items if rebuilt_id(item.id) in images]
    told = {"text": _plain(how)} if generate else {}
    told |= {"image": _plain(how_to_draw or how)} if generate or drawn else {}
    size_px, unit = model.learned.spec.size_px, model.head.unit
    write_answers(out_dir, sheet(world, items, split=split, size_px=size_px, how=told, image_unit=unit), lines)
    return clock.seconds


class Clock:
    """Adds up seconds by kind of work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, kind: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - began


def _texts(model: Any, items: Sequence[ExamItem], how: Any, fill: Fill | None, batch_size: int, clock: Clock) -> dict[str, str]:
    asked = [item for item in items if item.kind in ("question", "caption")]
    if not asked:
        return {}
    with clock("evaluate"):
        filled = (fill or _engine())(model, [item.sample.prompt() for item in asked], how, batch_size=batch_size)
    return {item.id: text_of(sample, learned=True) or "" for item, sample in zip(asked, filled, strict=True)}


def _images(
    model: Any,
    drawings: Sequence[ExamItem],
    how: Any,
    fill: Fill | None,
    rebuild: Rebuild | None,
    batch_size: int,
    out_dir: Path,
    clock: Clock,
) -> dict[str, str]:
    """Item id -> path of its PNG below `out_dir`."""
    if not drawings:
        return {}
    size_px = model.learned.spec.size_px
    with clock("draw"):
        filled = (fill or _engine())(model, [item.sample.prompt() for item in drawings], how, batch_size=batch_size)
        pictures = {item.id: _drawn(sample).pixels(size_px) for item, sample in zip(drawings, filled, strict=True)}
        full = [item for item in drawings if item.kind in WITH_TRUTH]
        pictures |= _rebuilt(full, rebuild or rebuild_with(model), size_px, batch_size)
    edits = [item for item in drawings if item.kind == "edit" and item.truth is not None]
    pictures |= {_wanted_id(item): item.truth.pixels(size_px) for item in edits}
    paths = {name: f"images/{number:05d}.png" for number, name in enumerate(pictures)}
    for name, pixels in pictures.items():
        write_png(out_dir / paths[name], pixels)
    return paths


def _rebuilt(drawings: Sequence[ExamItem], rebuild: Rebuild, size_px: int, batch_size: int) -> dict[str, np.ndarray]:
    """The tokenizer's reconstructions of the true pictures of what is drawn, by `rebuilt_id`."""
    found = {}
    for start in range(0, len(drawings), batch_size):
        some = drawings[start : start + batch_size]
        made = rebuild([item.truth for item in some if item.truth is not None], size_px)
        found |= {rebuilt_id(item.id): pixels for item, pixels in zip(some, made, strict=True)}
    return found


def _wanted_id(item: ExamItem) -> str:
    return f"{item.id}/wanted"


def _losses(model: Any, items: Sequence[ExamItem], batch_size: int, clock: Clock) -> dict[str, dict[str, Any]]:
    """Item id -> what its line says of its reference, teacher-forced: nats, or the head's error where that is no likelihood.

    A drawing's are those of the true picture. An open request has more than one, so it is asked for none.
    """
    asked = [item for item in items if item.kind != "open_drawing"]
    found: dict[str, dict[str, Any]] = {}
    with clock("evaluate"):
        for start in range(0, len(asked), 4 * batch_size):
            some = asked[start : start + 4 * batch_size]
            for item, loss in zip(some, model.held_out([item.sample for item in some]), strict=True):
                tally = loss.image if item.kind in WITH_TRUTH else loss.text
                found[item.id] = {"nll": float(tally.total), "num_tokens": tally.count}
        for kind in WITH_TRUTH if model.head.unit != "nats" else ():
            drawings = [item for item in asked if item.kind == kind]
            blinds = model.blind([item.truth for item in drawings]) if drawings else []
            for item, blind in zip(drawings, blinds, strict=True):
                loss = found[item.id]
                error = loss["nll"] / loss["num_tokens"]
                found[item.id] = {"error": error, "blind_error": blind, "num_tokens": loss["num_tokens"]}
    return found


def _line(item: ExamItem, texts: dict[str, str], images: dict[str, str], losses: dict[str, dict[str, Any]]) -> Line:
    return Line(
        id=item.id,
        kind=item.kind,
        picture=item.picture,
        attribute=item.attribute,
        tier=item.tier,
        prompt=text_of(item.sample, learned=False),
        reference=text_of(item.sample, learned=True),
        answer=texts.get(item.id),
        scene=item.scene,
        requested=item.requested,
        image=images.get(item.id),
        wanted=images.get(_wanted_id(item)),
        **losses.get(item.id, {}),
    )


def _rebuilt_line(item: ExamItem, image: str) -> Line:
    kind = WITH_TRUTH[item.kind]
    return Line(id=rebuilt_id(item.id), kind=kind, picture=item.picture, scene=item.scene, image=image)


def _drawn(sample: Sample) -> AbstractPicture:
    return next(s.content for s in sample.segments if isinstance(s, Image) and s.learn and s.content is not None)


def _engine() -> Fill:
    from bothways.generate.engine import fill

    return fill


def _default_how() -> Any:
    from bothways.heads.choose import How

    return How()


def rebuild_with(model: Any) -> Rebuild:
    """What a model makes of pictures of which it knows the true tokens."""
    import torch

    from bothways.vision.tokenizer import to_unit

    def rebuild(pictures: list[AbstractPicture], size_px: int) -> np.ndarray:
        with torch.no_grad():
            pixels = to_unit(np.stack([picture.pixels(size_px) for picture in pictures]))
            return np.stack(model.repaint(model.learned.encode(pixels)))

    return rebuild


def _plain(how: Any) -> dict[str, Any]:
    return asdict(how) if is_dataclass(how) else how.to_dict()
