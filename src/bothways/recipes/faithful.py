"""`faithful_to_p1: true`: the choices of P1 (arXiv 2505.23043) in every recipe that can make them. No torch here.

Opening mark learned, an answer of text and picture ended once, one causal pass in raster order, no condition dropped in
training and no guidance in drawing, greedy, AdamW throughout, and the published loss weights: text 1; image tokens 0.2 under
cross-entropy, 1 under 1 - cosine. The world has a switch of its own (`world.faithful_to_p1`). What stays the house's: learned
places and marks instead of text pieces, a backbone of nano size trained whole instead of a 7B one under LoRA, tokens
standardised per channel.

Source: P1's released code.
"""

from __future__ import annotations

from typing import Any

from bothways.core.config import merge, unflatten
from bothways.data.configs import kind_of

P1: dict[str, Any] = {
    "model.order": "raster",
    "model.learn_marks": True,
    "model.causal_given": True,
    "data.drop_condition": 0.0,
    "exam.guidance": 1.0,
    "exam.temperature": 0.0,
    "model.feedback_noise": 0.0,
    "train.muon": None,  # AdamW throughout
}
IMAGE_WEIGHTS = {"categorical": 0.2, "regression": 1.0}  # by the kind of the head; text weighs 1
GIVES_TEXT = ("vqa", "caption", "text")  # kinds of sources that draw nothing


def with_p1(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a recipe with P1's choices in place of its own."""
    head = values.get("model", {}).get("head", {}).get("kind", "categorical")
    sources = values.get("data", {}).get("sources", {})
    drawing = [name for name in sources if kind_of(name) not in GIVES_TEXT]
    weights = {f"{name}:image": IMAGE_WEIGHTS.get(head, 1.0) for name in drawing}
    merged = merge(values, unflatten(P1))
    return merged | {"train": {**merged.get("train", {}), "weights": weights}}
