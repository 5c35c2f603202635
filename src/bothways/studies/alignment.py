"""Alignment: does what one skill gains from the other hang on how near the given tokens lie to the learned ones?

Source of the question: P1 (arXiv 2505.23043), claim 3 and E3: an affine map on the understanding side alone lowered the gain.
E3 applies the whole random rotation at every strength, adds scale and offset, and compares with a shared projector, so it mixes
misalignment with a harder input. Here each dial moves one thing, every setting has its own single-task arms, and the dial
that a projector can undo by itself is run too, as the control that must stay flat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bothways.studies.arms import HELD_FIXED, TWICE, both_gains, three_ways
from bothways.study.claim import Claim, Kind
from bothways.study.study import Dial, Study

VQ = {"kind": "vq", "weights": "asset:vq"}
ROTATIONS = {"r000": 0.0, "r025": 0.25, "r050": 0.5, "r100": 1.0}
STRENGTHS = {"s00": 0.0, "s01": 0.1, "s02": 0.2, "s03": 0.3}  # P1's for vq, and none

QUESTION = (
    "Does what reading gains from drawing, and drawing from reading, shrink as the given tokens move away from the learned?"
)
CLAIM = "The better input and output space are aligned, the larger the gain across tasks (P1, claim 3)."
DRAWING_ARMS = (
    "A drawing arm never reads given pictures, so its runs must come out the same at every setting of a dial that moves the "
    "given tokens alone; they are the study's check on itself."
)


def _dial(settings: dict[str, dict[str, Any]], where: str, kind: Kind = "falls") -> dict[str, Any]:
    """Arms, comparisons and claims of a dial: setting -> changes. `kind`: how the gains go along it, if P1 is right."""
    return {
        "claims": _trends(settings, kind),
        "arms": tuple(arm for name, changes in settings.items() for arm in three_ways(name, f"{where} {name}", changes)),
        "comparisons": tuple(one for name in settings for one in both_gains(name, f"at {where} {name}")),
    }


def _trends(settings: Iterable[str], kind: Kind) -> tuple[Claim, ...]:
    each = tuple(
        Claim(
            name=f"{skill}-{kind}",
            sentence=f"What {skill} gains shrinks as the given tokens move away from the learned.",
            kind=kind,
            over=tuple(f"{skill}-{setting}" for setting in settings),
        )
        for skill in ("reading", "drawing")
    )
    over = tuple(claim.name for claim in each)
    both = Claim(name="both", sentence="The gains of both skills hang on alignment.", kind="all", over=over)
    one = Claim(name="one-at-least", sentence="The gain of one skill at least hangs on alignment.", kind="some", over=over)
    return (*each, both, one)


def _places(name: str, places: dict[str, float]) -> Dial:
    return Dial(name=name, at={f"{kind}-{setting}": at for setting, at in places.items() for kind in ("reading", "drawing")})


def _rotation_study(**more: Any) -> Study:
    settings = {name: {"model.given.rotation": rotation} for name, rotation in ROTATIONS.items()}
    base = {"train.threads": 1, "model.given": {"kind": "warped", "of": VQ, "rotation": 0.0}}
    return Study(
        base="vq-vq",
        base_changes=base | more.pop("base_changes", {}),
        claim=CLAIM,
        axis=("data.sources", "model.given.rotation"),
        dial=_places("rotation of the given tokens", ROTATIONS),
        held_fixed=(*HELD_FIXED, "what the given tokens say: a rotation keeps every length and angle among their vectors"),
        controls=(TWICE, DRAWING_ARMS, *more.pop("controls", ())),
        **_dial(settings, "rotation"),
        **more,
    )


SHARED = _rotation_study(
    name="alignment",
    title="Rotated input, shared projector: is alignment what the skills gain from?",
    question=QUESTION + " One projector serves both; the given tokens are rotated by 0, 22.5, 45 and 90 degrees in the mean.",
    expectation=(
        "Gains within +- 0.1 at every setting, as in the quickstart, so that a trend needs many seeds. If anything, reading at "
        "rotation 1 is slower to learn, in both arms: the shared projector then serves two unrelated spaces of 8 dimensions."
    ),
    controls=(
        "A shared projector of unified arms must serve two spaces, which is capacity and not alignment: `alignment-frozen` has "
        "no capacity to share, and `alignment-absorbed` no sharing.",
    ),
    reproduce="bothways study run alignment",
)

FROZEN = _rotation_study(
    name="alignment-frozen",
    title="Rotated input, projectors frozen at one random draw",
    question=QUESTION + " Both sides pass through the same frozen random projector, so the backbone alone can make up for it.",
    expectation="Skills below those of `alignment` at every setting; a gain that shrinks with the rotation, if P1 is right.",
    base_changes={"model.frozen": ["given_projector", "learned_projector"]},
    controls=("The frozen projector still tells the codes apart: its first layer is random and wider than the codes.",),
    reproduce="bothways study run alignment-frozen",
)

ABSORBED = _rotation_study(
    name="alignment-absorbed",
    title="Rotated input, separate trainable projectors: the negative control",
    question="Is a rotation that a trainable projector of its own can undo without any effect, as it must be?",
    expectation=(
        "Flat: the first layer of the given side's projector absorbs every rotation, so the function class is the same."
    ),
    base_changes={"model.projector.shared": False},
    controls=("Initial weights are not rotated with the tokens, so single runs differ as runs of two seeds do.",),
    reproduce="bothways study run alignment-absorbed",
)

P1_MAP = Study(
    name="alignment-p1",
    title="P1's map: whole rotation, channels scaled and moved",
    question=(
        "Do the gains shrink with the strength of P1's affine map, as its E3 found, when every strength has its own controls?"
    ),
    claim=CLAIM,
    expectation=(
        "Reading falls with strength in the understanding arm itself, because the input gets harder; the gain on top "
        "of that is not expected to change by more than 0.1."
    ),
    base="vq-vq",
    base_changes={"train.threads": 1, "model.given": {"kind": "warped", "of": VQ, "rotation": 1.0}},
    axis=("data.sources", "model.given.rotation", "model.given.scale", "model.given.offset"),
    dial=_places("strength of P1's map", STRENGTHS),
    held_fixed=HELD_FIXED,
    controls=(
        TWICE,
        DRAWING_ARMS,
        "Strengths above 0 all have the whole rotation, as P1 has; strength 0 is no map at all. So the step from 0 to "
        "0.1 is that of the rotation, and only the steps after it are those of scale and offset.",
    ),
    reproduce="bothways study run alignment-p1",
    **_dial(
        {
            name: {"model.given.rotation": float(s > 0), "model.given.scale": s, "model.given.offset": s}
            for name, s in STRENGTHS.items()
        },
        "strength",
    ),
)

# Where the tokenizers of the natural dial are looked for; the study's controls say how they are made.
OTHERS = "runs/tokenizers"

NATURAL = Study(
    name="alignment-natural",
    title="Natural misalignment: another seed, another objective, another grid",
    question=(
        "Pictures are drawn as vq tokens and read as tokens of the same tokenizer, of one with another seed, of one "
        "with another objective, of one with another grid, or as plain patches. Do the gains fall in the order of the distance?"
    ),
    claim=CLAIM,
    expectation=(
        "The gains follow no order in the distance that one or two seeds could show; reading follows the tokenizer's card."
    ),
    base="vq-vq",
    base_changes={"train.threads": 1, "model.projector.shared": False},
    axis=("data.sources", "model.given"),
    dial=Dial(name="share of the learned tokens that the given tell"),
    held_fixed=(*HELD_FIXED, "the learned tokenizer; projectors are separate at every setting, the same tokenizer too"),
    controls=(
        TWICE,
        DRAWING_ARMS,
        "The x-axis is measured: `bothways distance vq-vq --set model.given=...`, held-out R2 by place. What a "
        "tokenizer lets read at all differs between settings; the understanding arm of each setting is the control for that.",
        "The other tokenizers are made by `bothways train-tokenizer vq-tokenizer --set tokenizer.seed=1 --set train.seed=1 "
        f"--out {OTHERS}/vq-1`, the same with `--set 'tokenizer.channel_multiplier=[1,2,2,4]' --out {OTHERS}/vq-4x4`, and "
        f"`bothways train-tokenizer semantic-tokenizer --out {OTHERS}/semantic`.",
    ),
    reproduce="bothways study run alignment-natural",
    **_dial(
        {
            "same": {"model.given": VQ},
            "seed": {"model.given": {"kind": "vq", "weights": f"{OTHERS}/vq-1/tokenizer.safetensors", "seed": 1}},
            "objective": {"model.given": {"kind": "semantic", "weights": f"{OTHERS}/semantic/tokenizer.safetensors"}},
            "grid": {
                "model.given": {
                    "kind": "vq",
                    "weights": f"{OTHERS}/vq-4x4/tokenizer.safetensors",
                    "channel_multiplier": [1, 2, 2, 4],
                }
            },
            "patches": {"model.given": {"kind": "patches"}},
        },
        "tokens:",
        "rises",
    ),
)
