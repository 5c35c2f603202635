"""Texts compared as strings, the field's way: CIDEr-D of captions, VQA accuracy of answers. Needs no world: any texts will do.

Neither knows what is true: a caption is scored by how its words agree with the reference's, an answer by being the same
words. Beside them stand attribute F1 (captions.py) and accuracy as the world hears it (reading.py).
"""

from __future__ import annotations

import re
import string
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from bothways.evaluate.metrics import skill
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured

PERFECT_CIDER_D = 10.0
NUM_CONSTANTS = 10  # references that are tried as the one caption of every picture
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DIGITS = {word: str(number) for number, word in enumerate(NUMBERS)} | {"none": "0"}
ARTICLES = ("a", "an", "the")


def measure(paper: Paper) -> list[Measured]:
    """`answers/all/vqa_accuracy` of the questions and `captions/all/cider_d` of the captions."""
    questions = [line for line in paper.of_kind("question") if line.answer is not None]
    captions = [line for line in paper.of_kind("caption") if line.answer is not None]
    found = []
    if questions:
        wanted = [line.reference or "" for line in questions]
        right = [vqa_accuracy(line.answer or "", reference) for line, reference in zip(questions, wanted, strict=True)]
        chance = _most_frequent([str(line.attribute) for line in questions], wanted)
        found.append(
            Measured(
                "answers/all/vqa_accuracy",
                "share",
                [line.id for line in questions],
                [line.picture for line in questions],
                right,
                chance=chance,
                ceiling=1.0,
                skill=skill(float(np.mean(right)), chance, 1.0),
                share=True,
            )
        )
    ids, pictures = [line.id for line in captions], [line.picture for line in captions]
    said, wanted = [line.answer or "" for line in captions], [line.reference or "" for line in captions]
    return found + measured_cider_d("captions/all/cider_d", ids, pictures, said, wanted)


def measured_cider_d(
    name: str, ids: Sequence[str], pictures: Sequence[str], said: Sequence[str], wanted: Sequence[str]
) -> list[Measured]:
    """CIDEr-D as a measure; none for fewer than two different references, whose words then all weigh nothing.

    Chance is the best of ten references given to every picture. No ceiling: another true wording would not score 10.
    """
    if len(set(wanted)) < 2:
        return []
    longest = sorted(set(wanted), key=lambda one: (-len(one), one))[:NUM_CONSTANTS]
    chance = max(float(cider_d([constant] * len(wanted), wanted).mean()) for constant in longest)
    return [Measured(name, "CIDEr-D", ids, pictures, cider_d(said, wanted).tolist(), chance=chance)]


def cider_d(said: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """CIDEr-D of each text against its one reference, 0 to 10: tf-idf cosine of 1- to 4-grams, frequencies from the references.

    Source: Vedantam et al. 2015 (arXiv 1411.5726), section 3, as pycocoevalcap computes it. Deviation: texts are cut at what is
    no letter and no digit, in lower case, and not by the Java tokenizer of the COCO captions.
    """
    from pycocoevalcap.cider.cider import Cider

    def each(texts: Sequence[str]) -> dict[int, list[str]]:
        return {number: [" ".join(re.findall(r"\w+", text.lower()))] for number, text in enumerate(texts)}

    _, values = Cider().compute_score(each(wanted), each(said))
    return np.asarray(values)


def vqa_accuracy(answer: str, reference: str) -> float:
    """1.0 when both are the same words without case, punctuation and articles, numbers up to ten as digits.

    Source: Antol et al. 2015 (arXiv 1505.00468), section 3.1. Deviation: there ten people answered and three who agree make a
    full score; here there is one reference, so agreeing with it does.
    """
    return float(_plain(answer) == _plain(reference))


def words(text: str) -> list[str]:
    """Words in lower case without punctuation."""
    return text.lower().translate(str.maketrans("", "", string.punctuation)).split()


def _plain(text: str) -> list[str]:
    return [DIGITS.get(word, word) for word in words(text) if word not in ARTICLES]


def _most_frequent(groups: Sequence[str], wanted: Sequence[str]) -> float:
    """Accuracy of the best constant answer of each group."""
    counts: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for group, reference in zip(groups, wanted, strict=True):
        counts[group][tuple(_plain(reference))] += 1
    return sum(max(counter.values()) for counter in counts.values()) / len(wanted)
