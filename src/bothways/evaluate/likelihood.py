"""Held-out negative log-likelihoods in nats, teacher-forced: they move long before any accuracy does.

Per picture: the answer to a question, a whole caption, and all image tokens of the true picture given its request, or
its instruction and the picture before. Of a masked picture it is an estimate of the expectation over random orders of its
tokens (`heads/masked.py`), not the likelihood in one order: models that hide tokens compare with each other, and with those
trained in random order.
"""

from __future__ import annotations

from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured

NAMES = {"question": "answers", "caption": "captions", "drawing": "image_tokens", "edit": "edited_image_tokens"}


def measure(paper: Paper) -> list[Measured]:
    """`nll/{answers, captions, image_tokens, edited_image_tokens}/{nats, nats_per_token}`; lower is better, and no chance is
    defined."""
    found = []
    for kind, name in NAMES.items():
        lines = [line for line in paper.of_kind(kind) if line.nll is not None and line.num_tokens]
        if not lines:
            continue
        ids, pictures = [line.id for line in lines], [line.picture for line in lines]
        nats = [float(line.nll or 0.0) for line in lines]
        # Scaled so that the plain mean is all nats over all tokens, not a mean of ratios.
        per_token = sum(line.num_tokens or 0 for line in lines) / len(lines)
        for what, values in (("nats", nats), ("nats_per_token", [value / per_token for value in nats])):
            found.append(Measured(f"nll/{name}/{what}", "nats", ids, pictures, values, higher_is_better=False))
    return found
