"""The answers of one exam on disk: `exam.json` (what was asked of which world), `answers.jsonl` (a line an item), `images/`.

answers.jsonl, one JSON object a line:
    id         names the item; equal in all arms that sat the same exam
    kind       question | caption | drawing | open_drawing (a request that leaves something open) | edit | reconstruction (of
               the picture that a drawing is to show) | edit_reconstruction (of the picture that an edit is to give)
    picture    key of the scene: items that share it are not independent
    attribute, tier          of questions ("hour", "attribute"); of edits the kind of change ("weather", null); null elsewhere
    prompt, reference        what was asked, the canonical answer (text; null for pictures)
    answer     the text that came back; null when the exam took likelihoods only, and for pictures
    scene      the facts of the scene; of an edit, of the one that is given
    requested  attribute -> value that a drawing has to show; of an edit, all facts of the edited scene; null elsewhere
    image      path of the drawn or reconstructed picture, relative to the folder; null elsewhere
    wanted     path of a picture of the edited scene; null elsewhere
    nll, num_tokens          nats and tokens of the reference, teacher-forced (drawings: the true picture's image tokens)
    error, blind_error       instead of nats, of drawings by a head that is no likelihood: mean error of the true picture's
                             tokens, and that of the best prediction that is the same for every picture of the exam
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from bothways.core.config import Config
from bothways.core.disk import write_atomic, write_json, writing
from bothways.core.errors import RunError
from bothways.evaluate.metrics import Scale

Kind = Literal["question", "caption", "drawing", "open_drawing", "edit", "reconstruction", "edit_reconstruction"]


class Line(Config):
    """One answered item; the fields are told at the top of this file."""

    id: str
    kind: Kind
    picture: str
    attribute: str | None = None
    tier: str | None = None
    prompt: str | None = None
    reference: str | None = None
    answer: str | None = None
    scene: dict[str, Any] = Field({})
    requested: dict[str, Any] | None = None
    image: str | None = None
    wanted: str | None = None
    nll: float | None = None
    num_tokens: int | None = None
    error: float | None = None
    blind_error: float | None = None


def rebuilt_id(item_id: str) -> str:
    """The id of the reconstruction that belongs to a drawing or an edit."""
    return f"{item_id}/rebuilt"


class Exam(Config):
    """What was asked, and what marking needs to know of the world besides its code."""

    world: dict[str, Any]  # config of the world, with its `kind`
    split: str = "test"
    size_px: int = 64
    scales: dict[str, Scale] = Field({})  # attribute -> scale; attributes not named are names
    levels: dict[str, tuple[str, ...]] = Field({})  # "hands" -> ("hour", "minute"), ...
    entropies: dict[str, float] = Field({})  # attribute -> nats of its canonical answer over `num_entropy_scenes` scenes
    num_entropy_scenes: int = 0
    how: dict[str, Any] = Field({})  # how answers were generated: temperature, guidance, seed
    image_unit: str = "nats"  # what the head's loss measures; the unit of `error` where it is no likelihood

    def scale(self, attribute: str) -> Scale:
        return self.scales.get(attribute, Scale())


def write_answers(folder: Path, exam: Exam, lines: Iterable[Line]) -> None:
    """Writes exam.json, then answers.jsonl, so that a folder with answers is whole. Raises: RunError when it cannot."""
    write_json(folder / "exam.json", exam.to_dict())
    write_atomic(folder / "answers.jsonl", "".join(json.dumps(line.to_dict(), ensure_ascii=False) + "\n" for line in lines))


def read_answers(folder: Path) -> tuple[Exam, list[Line]]:
    """Raises: RunError when a file is missing or broken, naming the line."""
    path = folder / "answers.jsonl"
    try:
        exam = Exam.parse(json.loads((folder / "exam.json").read_text()), where=str(folder / "exam.json"))
        texts = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise RunError(f"Cannot read the answers in {folder} ({error}); run `bothways evaluate` on the run first.") from None
    lines = []
    for number, text in enumerate(texts, start=1):
        try:
            lines.append(Line.parse(json.loads(text), where=f"{path}:{number}"))
        except ValueError as error:
            raise RunError(f"Line {number} of {path} is not JSON ({error}); answer the exam again.") from None
    if not lines:
        raise RunError(f"{path} holds no answers; expected one line an item: answer the exam again.")
    return exam, lines


def exams_of(run: Path) -> list[str]:
    """Names of the exams a run has answered: steps in order, then `final`. Raises: RunError when there are none."""
    names = sorted(path.parent.name for path in run.glob("answers/*/answers.jsonl"))
    if not names:
        raise RunError(f"{run} holds no answers (expected answers/final/answers.jsonl); run `bothways evaluate {run}` first.")
    return sorted(names, key=lambda name: (name == "final", name))


def write_png(path: Path, pixels: np.ndarray) -> None:
    """`pixels`: uint8 (P, P, 3). Raises: RunError when the disk refuses."""
    from PIL import Image

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def read_png(path: Path) -> np.ndarray:
    """uint8 (P, P, 3). Raises: RunError when the picture is missing or broken."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise RunError(f"Cannot read the drawn picture {path} ({error}); answer the exam again.") from None
