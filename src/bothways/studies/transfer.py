"""Knowledge transfer: does what one skill's data alone teach reach the other skill, and by which part of the model?

Source of the questions: P1 (arXiv 2505.23043), claims 4 and 5, E4 and E5. Its released scripts name separate adapters and
train a shared one, so `shared` and `separate` were not told apart there; here they are two settings, and freezing, enlarged
projectors and `bothways swap` ask where the knowledge lies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bothways.studies.arms import HELD_FIXED, TWICE, both_gains, drawing, three_ways, understanding, unified
from bothways.studies.labels_saved import ATTRIBUTE, TEXT
from bothways.study.claim import Claim
from bothways.study.study import Arm, Comparison, Study

WITH_TEXT = {"train.threads": 1, "data.sources.watch/text": TEXT, "train.weights.watch/text:text": 0.05}
SEPARATE = {"model.projector.shared": False}
# The mlp's width at which a projector holds as many weights as the nano backbone (`model.projector.matching_width`).
ENLARGED_WIDTH = 6_734
TEXT_ALONE = "Text alone tells and asks for the attribute in every arm, so that no arm fails for want of the words."


def _hidden_from(task: str) -> dict[str, Any]:
    return {"world.hide": {"attribute": ATTRIBUTE, "from": task, "how": "link"}}


def _arms(control: Callable[..., Arm], name: str) -> tuple[Arm, Arm]:
    about, changes = SETTINGS[name]
    return control(name, about, changes), unified(name, about, changes)


def _gain(setting: str, control: str, kind: str) -> Comparison:
    skill = {"reading": "read", "drawing": "draw"}
    return Comparison(
        name=setting,
        question=f"Does the other skill's data teach to {skill[kind]} the {ATTRIBUTE} with {SETTINGS[setting][0]}?",
        treatment=f"unified-{setting}",
        control=f"{control}-{setting}",
        axis=("data.sources",),
        primary=f"{kind}/{ATTRIBUTE}/skill",
    )


def _claims(skill: str) -> tuple[Claim, Claim]:
    over = tuple(SETTINGS)
    return (
        Claim(name="always", sentence=f"It reaches {skill} with every projector and tokenizer tried.", kind="all", over=over),
        Claim(name="somewhere", sentence=f"It reaches {skill} with one of them at least.", kind="some", over=over),
    )


SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "shared": ("shared projectors", {}),
    "separate": ("separate projectors", SEPARATE),
    "patches": ("separate projectors and plain patches to read", {**SEPARATE, "model.given": {"kind": "patches"}}),
}
PATCHES = (
    "A tokenizer trained on the pictures may tell apart already what is to be transferred; plain patches do not, so a gain "
    "that is there with them as well does not come from what the tokenizer of given pictures knew."
)

TO_READING = Study(
    name="transfer-to-reading",
    title="Known from drawing alone: can it be read?",
    question=f"The {ATTRIBUTE} is told in drawing requests and never about a given picture. Can a model that draws it read it?",
    claim="Knowledge that is in the drawing data alone raises reading of that concept (P1, claim 4).",
    expectation="No transfer: skill at or below 0 in both arms, with shared projectors, with separate ones and with patches.",
    base="vq-vq",
    base_changes=WITH_TEXT | _hidden_from("understanding"),
    arms=tuple(arm for name in SETTINGS for arm in _arms(understanding, name)),
    comparisons=tuple(_gain(name, "understanding", "reading") for name in SETTINGS),
    claims=_claims("reading"),
    axis=("data.sources", "model.projector.shared", "model.given"),
    held_fixed=HELD_FIXED,
    controls=(
        TWICE,
        TEXT_ALONE,
        PATCHES,
        "Answers are well formed or not: the share stands beside the accuracy, and so does chance.",
    ),
    reproduce="bothways study run transfer-to-reading",
)

TO_DRAWING = Study(
    name="transfer-to-drawing",
    title="Known from reading alone: can it be drawn?",
    question=(
        f"The {ATTRIBUTE} is told about given pictures and never in a request. Can a model that reads it draw it on request?"
    ),
    claim="Knowledge that is in the reading data alone raises drawing of that concept.",
    expectation="No transfer: hands drawn at random in both arms, with shared projectors, with separate ones and with patches.",
    base="vq-vq",
    base_changes=WITH_TEXT | _hidden_from("drawing"),
    arms=tuple(arm for name in SETTINGS for arm in _arms(drawing, name)),
    comparisons=tuple(_gain(name, "drawing", "drawing") for name in SETTINGS),
    claims=_claims("drawing"),
    axis=("data.sources", "model.projector.shared", "model.given"),
    held_fixed=HELD_FIXED,
    controls=(TWICE, TEXT_ALONE, PATCHES),
    reproduce="bothways study run transfer-to-drawing",
)

PATTERNS: dict[str, dict[str, Any]] = {
    "all-trained": {},
    "projectors-frozen": {"model.frozen": ["given_projector", "learned_projector"]},
    "backbone-frozen": {"model.frozen": ["backbone"]},
    "first-half-frozen": {"model.frozen": ["backbone.layers.0-1"]},
    "second-half-frozen": {"model.frozen": ["backbone.layers.2-3"]},
    "projectors-enlarged": {"model.projector.width": ENLARGED_WIDTH},
    "enlarged-backbone-frozen": {"model.projector.width": ENLARGED_WIDTH, "model.frozen": ["backbone"]},
}

WHERE = Study(
    name="transfer-where",
    title="Which part of the model carries what one skill teaches the other?",
    question=(
        "Parts are frozen at their initial weights, one after another, or projectors are enlarged to the backbone's number of "
        "weights. Which of them must learn for one skill to gain from the other?"
    ),
    claim="Transfer happens in the language model and not in the projectors (P1, claim 5).",
    expectation=(
        "With the backbone frozen at random weights little is learned at all, so nothing can be gained; with projectors frozen "
        "the skills fall a little and the gains stay within +- 0.1 of those with everything trained."
    ),
    base="vq-vq",
    base_changes={"train.threads": 1, **SEPARATE},
    arms=tuple(arm for name, changes in PATTERNS.items() for arm in three_ways(name, name.replace("-", " "), changes)),
    comparisons=tuple(one for name in PATTERNS for one in both_gains(name, f"with {name.replace('-', ' ')}")),
    axis=("data.sources", "model.frozen", "model.projector.width"),
    held_fixed=HELD_FIXED,
    controls=(
        TWICE,
        "Patterns differ in what they can learn at all, so a pattern is compared with its own single-task arms only.",
        "Finished runs answer the same question without new training: `bothways swap unified understanding --part backbone`.",
    ),
    reproduce="bothways study run transfer-where",
)
