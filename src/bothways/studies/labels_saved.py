"""Labels saved: how many reading labels of the hour does drawing data stand for?

The curve of reading against the number of labelled pictures, once with drawing data and once without. If drawing teaches
what a watch's hands show, the upper curve reaches a level with fewer labels, and the horizontal gap is what was saved.
"""

from __future__ import annotations

from bothways.studies.arms import HELD_FIXED, TWICE, understanding, unified
from bothways.study.claim import Claim
from bothways.study.study import Arm, Comparison, Dial, Study

ATTRIBUTE = "hour"
LABELS = (0, 16, 64, 256, 1024)
POOL = LABELS[-1]  # pictures that the reading side sees, in many epochs: a few labels among many pictures would hardly be seen
TEXT = {"samples_per_step": 4, "num_pictures": 12000}  # teaches what is asked and what an answer looks like, without a picture


def _arms(labels: int) -> tuple[Arm, Arm]:
    keep = {"world.hide.keep": labels}
    return understanding(str(labels), f"{labels} labels", keep), unified(str(labels), f"{labels} labels", keep)


STUDY = Study(
    name="labels-saved",
    title="How many reading labels does drawing data save?",
    question=(
        f"The {ATTRIBUTE} is told in answers and captions of 0, 16, 64, 256 or all 1,024 pictures that the model reads, "
        "and in every request that it draws. How much better does it read the hour with drawing data, at each number of labels?"
    ),
    claim="Knowledge that is in the drawing data alone raises reading (P1, claim 4), so drawing data saves reading labels.",
    expectation=(
        "At 0 labels both arms stay at chance: requests name the hour, but nothing ties a given picture's tokens to "
        "it. At 1,024 labels both read alike. Between them a gain of up to 0.2, largest at 64 and 256."
    ),
    base="vq-vq",
    base_changes={
        "train.threads": 1,
        "world.hide": {"attribute": ATTRIBUTE, "from": "understanding", "how": "link", "keep": 0},
        "data.sources.watch/vqa.num_pictures": POOL,
        "data.sources.watch/caption.num_pictures": POOL,
        "data.sources.watch/text": TEXT,
        "train.weights.watch/text:text": 0.05,
    },
    arms=tuple(arm for labels in LABELS for arm in _arms(labels)),
    comparisons=tuple(
        Comparison(
            name=f"labels-{labels}",
            question=f"Does drawing data help to read the {ATTRIBUTE} with {labels} labels?",
            treatment=f"unified-{labels}",
            control=f"understanding-{labels}",
            axis=("data.sources",),
            primary=f"reading/{ATTRIBUTE}/skill",
        )
        for labels in LABELS
    ),
    claims=(
        Claim(
            name="saves",
            sentence="Drawing data saves reading labels, at one number of them at least.",
            kind="some",
            over=tuple(f"labels-{labels}" for labels in LABELS),
        ),
    ),
    axis=("data.sources", "world.hide.keep"),
    dial=Dial(name="labelled pictures", at={f"labels-{labels}": labels for labels in LABELS}, doubles=True),
    held_fixed=(*HELD_FIXED, "pictures, wordings and the labels of every other attribute; 64 labelled pictures include the 16"),
    controls=(
        TWICE,
        "Text alone tells and asks for the hour in every arm, so that no arm fails for want of the words.",
        "A question of two facts that needs the hour goes with it; the exam asks for everything in every arm.",
    ),
    reproduce="bothways study run labels-saved",
)
