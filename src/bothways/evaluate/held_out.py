"""One's own held-out items: answers and drawings written to files, and what can be measured of them without a world.

Nobody reads photographs as a world's reader reads its pictures, so **whether a drawing shows what was asked is not
measured**. What is: how likely the true answer and the true picture's tokens are (beside the same under another item's
picture or request: the no-image baseline), and of answers, exact match, VQA accuracy and word F1 (beside the training data's
most frequent answer to that question: the best that ignores the picture) and CIDEr-D.

    RUN/held_out/SOURCE/answers.jsonl   a line a learned segment
                        items.jsonl     the values of every measure
                        images/         drawn, true and rebuilt (the true picture through the learned tokenizer) side by side
                        index.html      all of it to look at
    RUN/held_out/scores.json            every score, in the format of RUN/scores.json
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.disk import write_atomic
from bothways.core.sample import AbstractPicture, Image, Sample, Text
from bothways.evaluate.answers import write_png
from bothways.evaluate.metrics import skill
from bothways.evaluate.scores import Measured, Sheet
from bothways.evaluate.strings import measured_cider_d, vqa_accuracy, words

FOLDER = "held_out"


@dataclass(frozen=True)
class Line:
    """One learned segment of a held-out item.

    `nll`, `num_tokens`: of all learned tokens of the item that are of this kind, teacher-forced, in the head's unit for
    pictures; `swapped_nll`: the same beside another item's picture (answers) or request (pictures); None where all items
    have the same. `frequent`: the most frequent answer to this question in training.
    """

    id: str
    kind: str  # answer or picture
    item: str
    picture: str
    prompt: str
    nll: float
    num_tokens: int
    swapped_nll: float | None
    reference: str | None = None
    answer: str | None = None
    frequent: str | None = None
    image: str | None = None
    truth: str | None = None
    rebuilt: str | None = None


class Frequent:
    """The most frequent training answer to a question; to one that was never asked, the most frequent of all."""

    def __init__(self, samples: Iterable[Sample]):
        self._all: Counter[str] = Counter()
        self._by_question: dict[str, Counter[str]] = {}
        for sample in samples:
            for index, segment in enumerate(sample.segments):
                if isinstance(segment, Text) and segment.learn and segment.content is not None:
                    self._all[segment.content] += 1
                    self._by_question.setdefault(question_of(sample, index), Counter())[segment.content] += 1

    def answer(self, question: str) -> str:
        counts = self._by_question.get(question, self._all)
        # Of equally frequent ones the first in the alphabet, so that scores do not hang on the order of a file.
        return min(counts, key=lambda text: (-counts[text], text), default="")


def sit(
    model: Any,
    samples: Sequence[Sample],
    frequent: Frequent,
    out: Path,
    *,
    how: Any,
    how_to_draw: Any,
    fill: Callable[..., list[Sample]],
    rebuild: Callable[[list[AbstractPicture], int], np.ndarray],
    batch_size: int = 64,
) -> list[Line]:
    """Answers and draws every learned segment, given the true ones before it; writes answers.jsonl, images and index.html."""
    losses, swapped = _losses(model, samples, batch_size), _losses(model, _swapped(samples), batch_size)
    asked = [(number, index) for number, sample in enumerate(samples) for index, s in enumerate(sample.segments) if s.learn]
    lines: list[Line] = []
    for is_text in (True, False):
        some = [(n, i) for n, i in asked if isinstance(samples[n].segments[i], Text) == is_text]
        prompts = [_up_to(samples[n], i) for n, i in some]
        filled = fill(model, prompts, how if is_text else how_to_draw, batch_size=batch_size) if prompts else []
        for (number, index), made in zip(some, filled, strict=True):
            lines.append(_line(samples[number], index, made, losses[number], swapped[number], frequent))
            if not is_text:
                lines[-1] = _with_images(lines[-1], samples[number], index, made, model.learned.spec.size_px, rebuild, out)
    write_atomic(out / "answers.jsonl", "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines))
    write_atomic(out / "index.html", page(out.name, lines))
    return lines


def score(name: str, lines: Sequence[Line], unit: str, out: Path) -> Sheet:
    """The scores of one source; the values of every item go to items.jsonl. `unit` is the head's."""
    measured = [*_texts([line for line in lines if line.kind == "answer"])]
    measured += _tokens("pictures", unit, [line for line in lines if line.kind == "picture"])
    write_atomic(out / "items.jsonl", "".join(one.line() + "\n" for one in measured))
    items = f"{FOLDER}/{out.name}/items.jsonl"
    told = {"source": name, "not_measured": "whether drawings show what was asked: nothing reads one's own pictures"}
    return Sheet(told, {one.name: one.score(items) for one in measured})


def _texts(lines: list[Line]) -> list[Measured]:
    if not lines:
        return []
    ids, pictures = [line.id for line in lines], [line.picture for line in lines]
    found = []
    for name, measure in (("exact_match", exact_match), ("vqa_accuracy", vqa_accuracy), ("f1", token_f1)):
        values = [measure(line.answer or "", line.reference or "") for line in lines]
        blind = [measure(line.frequent or "", line.reference or "") for line in lines]
        value, chance = float(np.mean(values)), float(np.mean(blind))
        share = name != "f1"
        ability = skill(value, chance, 1.0)
        found.append(
            Measured(f"answers/{name}", "share", ids, pictures, values, chance=chance, ceiling=1.0, skill=ability, share=share)
        )
    said, wanted = [line.answer or "" for line in lines], [line.reference or "" for line in lines]
    found += measured_cider_d("answers/cider_d", ids, pictures, said, wanted)
    return [*found, *_tokens("answers", "nats", lines)]


def _tokens(what: str, unit: str, lines: list[Line]) -> list[Measured]:
    """Mean loss a token, once an item: its learned segments share it."""
    once = list({line.item: line for line in lines if line.num_tokens}.values())
    if not once:
        return []
    # Scaled so that the plain mean is all loss over all tokens, not a mean of ratios.
    per = sum(line.num_tokens for line in once) / len(once)
    swapped = [line.swapped_nll for line in once]
    value = float(np.mean([line.nll for line in once])) / per
    chance = None if None in swapped else float(np.mean(swapped)) / per
    return [
        Measured(
            f"{what}/{unit}_per_token",
            unit,
            [line.item for line in once],
            [line.picture for line in once],
            [line.nll / per for line in once],
            chance=chance,
            ceiling=0.0,
            skill=None if chance is None else skill(value, chance, 0.0, higher_is_better=False),
            higher_is_better=False,
        )
    ]


def exact_match(answer: str, reference: str) -> float:
    """1.0 when the words are the same, whatever their case and punctuation."""
    return float(words(answer) == words(reference))


def token_f1(answer: str, reference: str) -> float:
    """F1 of the words that both have, each as often as both have it."""
    found, true = Counter(words(answer)), Counter(words(reference))
    shared = sum((found & true).values())
    return 2 * shared / (sum(found.values()) + sum(true.values())) if shared else float(found == true)


def question_of(sample: Sample, index: int) -> str:
    """The given text just before segment `index`."""
    before = [s.content for s in sample.segments[:index] if isinstance(s, Text) and not s.learn]
    return (before or [""])[-1] or ""


def _up_to(sample: Sample, index: int) -> Sample:
    """The true sample before segment `index`, which is to be written."""
    segments = (*sample.segments[:index], replace(sample.segments[index], content=None))
    return replace(sample, id=f"{sample.id}/{index}", segments=segments)


def _losses(model: Any, samples: Sequence[Sample | None], batch_size: int) -> list[Any]:
    there = [sample for sample in samples if sample is not None]
    found = [loss for at in range(0, len(there), batch_size) for loss in model.held_out(there[at : at + batch_size])]
    left = iter(found)
    return [None if sample is None else next(left) for sample in samples]


def _swapped(samples: Sequence[Sample]) -> list[Sample | None]:
    """Each sample beside the given pictures of the next one that has others, or, where it is given none, its given texts."""
    return [_beside(sample, [*samples[number + 1 :], *samples[:number]]) for number, sample in enumerate(samples)]


def _beside(sample: Sample, others: list[Sample]) -> Sample | None:
    what = Image if any(isinstance(s, Image) and not s.learn for s in sample.segments) else Text
    own = _given(sample, what)
    for other in others:
        foreign = _given(other, what)
        if own and len(foreign) == len(own) and [_key(c) for c in foreign] != [_key(c) for c in own]:
            contents = iter(foreign)
            segments = (
                replace(s, content=next(contents)) if isinstance(s, what) and not s.learn else s for s in sample.segments
            )
            return replace(sample, segments=tuple(segments))
    return None


def _given(sample: Sample, what: type) -> list[Any]:
    return [s.content for s in sample.segments if isinstance(s, what) and not s.learn]


def _key(content: Any) -> str:
    return content.key if isinstance(content, AbstractPicture) else content


def _line(sample: Sample, index: int, made: Sample, loss: Any, swapped: Any, frequent: Frequent) -> Line:
    segment, written = sample.segments[index], made.segments[-1].content
    is_text = isinstance(segment, Text)
    tally, other = (loss.text, swapped and swapped.text) if is_text else (loss.image, swapped and swapped.image)
    pictures = [s.content.key for s in sample.segments if isinstance(s, Image) and s.content is not None]
    question = question_of(sample, index)
    texts = {"reference": segment.content, "answer": written.strip(), "frequent": frequent.answer(question)} if is_text else {}
    return Line(
        id=f"{sample.id}/{index}",
        kind="answer" if is_text else "picture",
        item=sample.id,
        picture=pictures[0] if pictures else sample.id,
        prompt=question,
        nll=float(tally.total),
        num_tokens=tally.count,
        swapped_nll=None if other is None else float(other.total),
        **texts,
    )


def _with_images(
    line: Line,
    sample: Sample,
    index: int,
    made: Sample,
    size_px: int,
    rebuild: Callable[[list[AbstractPicture], int], np.ndarray],
    out: Path,
) -> Line:
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in line.id)
    truth = sample.segments[index].content
    pixels = {
        "image": made.segments[-1].content.pixels(size_px),
        "truth": truth.pixels(size_px),
        "rebuilt": rebuild([truth], size_px)[0],
    }
    for what, picture in pixels.items():
        write_png(out / f"images/{name}-{what}.png", picture)
    return replace(line, **{what: f"images/{name}-{what}.png" for what in pixels})


def page(title: str, lines: Sequence[Line]) -> str:
    """Every answer beside the true one, every drawing beside the true picture and what the tokenizer keeps of it."""
    rows = []
    for line in lines:
        if line.kind == "answer":
            cells = [line.prompt, line.reference or "", line.answer or "", line.frequent or ""]
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
        else:
            images = (f'<td><img src="{html.escape(path or "")}" width="128"></td>' for path in _images(line))
            rows.append(f"<td>{html.escape(line.prompt)}</td>{''.join(images)}")
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title>'
        "<style>body{font:15px sans-serif;max-width:60em;margin:2em auto}td,th{padding:.4em 1em .4em 0;text-align:left;"
        "vertical-align:top}img{image-rendering:pixelated}</style>"
        f"<h1>{html.escape(title)}: held-out items</h1><p>Whether a drawing shows what was asked is not measured: look.</p>"
        "<table><tr><th>asked</th><th>true</th><th>model</th><th>most frequent in training, or the true picture through the "
        f"tokenizer</th></tr>\n{body}</table>\n"
    )


def _images(line: Line) -> tuple[str | None, str | None, str | None]:
    return line.truth, line.image, line.rebuilt
