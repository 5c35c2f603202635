"""One step of training: cut into pieces, mixed with other sources, through shared and separate parts, from named weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import tiny
from bothways.layout.batch import Batch
from bothways.model.unified import UnifiedModel
from bothways.train.step import StepTotals, backward, step_counts, step_loss
from tiny import stream


def step(model: UnifiedModel, batches: list[Batch], only: str = "") -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weighted parts of one step's loss and its gradients; `only`: backward through the terms that begin so."""
    model.zero_grad(set_to_none=True)
    counts, totals = step_counts(batches), StepTotals()
    found: dict[str, Tensor] = {}
    for batch in batches:
        terms = model.terms(batch)
        parts = step_loss(terms, counts, {"editing:image": 0.3})
        backward({name: part for name, part in parts.items() if name.startswith(only)})
        totals.add(terms)
        for name, part in parts.items():
            found[name] = found.get(name, 0) + part.detach()
    totals.check_counts(counts, 0)
    return found, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float) -> None:
    """Equal up to a rounding of `tolerance` of the largest entry."""
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name] - tensor).abs().max() <= tolerance * tensor.abs().max() + 1e-9, name


@pytest.mark.parametrize("pieces", [2, 4])
def test_a_step_cut_into_micro_batches_has_the_loss_and_gradients_of_the_whole(pieces):
    model = tiny.model()
    per_step = {"reading": 5, "drawing": 4, "editing": 3}
    whole, gradients = step(model, stream(model, per_step).batches(7))
    cut = stream(model, per_step, pieces).batches(7)
    assert len(cut) == pieces and len({batch.ids.shape[1] for batch in cut} | {len(batch) for batch in cut}) > 1
    parts, accumulated = step(model, cut)
    assert_same(parts, whole, 1e-6)
    assert_same(accumulated, gradients, 2e-5)


def test_adding_a_source_leaves_value_and_gradient_of_the_other_terms_as_they_were():
    """Equal to rounding: the wider batch sums the same numbers in other blocks."""
    model = tiny.model()
    own, gradients = step(model, stream(model, {"reading": 4, "editing": 2}).batches(3))
    with_more = stream(model, {"reading": 4, "editing": 2, "drawing": 6}).batches(3)
    more, _ = step(model, with_more)
    assert more.keys() - own.keys() == {"drawing:image"}
    assert_same({name: more[name] for name in own}, own, 1e-6)
    summed: dict[str, Tensor] = {}
    for source in ("reading", "editing"):
        for name, gradient in step(model, with_more, only=source)[1].items():
            summed[name] = summed.get(name, 0) + gradient
    assert_same(summed, gradients, 2e-5)


def gradient_norms(model: UnifiedModel, pattern: str) -> dict[str, float]:
    """Norm of the gradient of a pattern's loss by parameter, 0 where it does not reach."""
    _, gradients = step(model, stream(model, {pattern: 2}, drop_condition=0.0).batches(0))
    return {name: float(gradients[name].norm()) if name in gradients else 0.0 for name, _ in model.named_parameters()}


def reached(model: UnifiedModel, pattern: str, module: str) -> set[bool]:
    norms = gradient_norms(model, pattern)
    return {norms[name] > 0 for name in norms if name.startswith(module)}


def test_in_a_shared_projector_the_gradients_of_both_tasks_meet():
    model = tiny.model()
    assert model.learned_projector is model.given_projector
    assert not any(name.startswith("learned_projector") for name, _ in model.named_parameters())
    assert reached(model, "reading", "given_projector") == {True}
    assert reached(model, "drawing", "given_projector") == {True}
    reading, drawing, both = (
        step(model, stream(model, per_step, drop_condition=0.0).batches(0))[1]["given_projector.content.0.weight"]
        for per_step in ({"reading": 2}, {"drawing": 2}, {"reading": 2, "drawing": 2})
    )
    torch.testing.assert_close(both, reading + drawing, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("given", [tiny.VQ, tiny.PATCHES])
def test_separate_projectors_are_really_separate(given):
    model = tiny.model(given=given, **tiny.SEPARATE)
    assert not {id(p) for p in model.given_projector.parameters()} & {id(p) for p in model.learned_projector.parameters()}
    assert reached(model, "reading", "given_projector") == {True}
    assert reached(model, "reading", "learned_projector") == {False}
    assert reached(model, "drawing", "given_projector") == {False}
    assert reached(model, "drawing", "learned_projector") == {True}
    assert reached(model, "editing", "given_projector") == reached(model, "editing", "learned_projector") == {True}


def test_what_only_drawing_needs_gets_no_gradient_from_reading():
    model = tiny.model()
    for module in ("head", "next_place"):
        assert reached(model, "reading", module) == {False}
        assert reached(model, "drawing", module) == {True}
    assert reached(model, "drawing", "backbone.lm.lm_head") == {False}


def weights(**changes) -> dict[str, Tensor]:
    return dict(tiny.model(**changes).named_parameters())


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        (tiny.SEPARATE, {"learned_projector"}),
        ({"backbone": tiny.BACKBONE | {"num_layers": 3}}, {"backbone"}),
        ({"order": "random", "learn_marks": True}, set()),
    ],
)
def test_one_more_part_does_not_move_the_initial_weights_of_the_others(changes, more):
    plain, changed = weights(), weights(**changes)
    assert {name.split(".")[0] for name in changed.keys() - plain.keys()} == more
    assert plain.keys() <= changed.keys()
    assert [name for name in plain if not torch.equal(plain[name], changed[name])] == []


def test_initial_weights_are_named_by_the_seed_alone():
    torch.manual_seed(1)
    one = weights()
    torch.manual_seed(2)
    again, other = weights(), weights(seed=1)
    assert [name for name in one if not torch.equal(one[name], again[name])] == []
    same = [name for name in one if torch.equal(one[name], other[name])]
    assert all(name.endswith(("bias", "norm.weight")) or "layernorm" in name for name in same)
    drawn = [tensor for name, tensor in one.items() if name not in same]
    assert len(drawn) > 15 and all(tensor.std() > 0.01 for tensor in drawn)


def test_arms_that_share_encodings_share_nothing_else():
    one = tiny.model()
    other = UnifiedModel(one.config, one.wording, one.encodings)
    assert other.learned is one.learned
    assert not {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}
    assert not [name for name, _ in one.named_parameters() if "given." in name or "tokenizer" in name]


def test_a_sample_that_does_not_learn_is_no_term():
    model = tiny.model()
    told = tiny.sample("reading")
    told = replace(told, segments=tuple(replace(s, learn=False) for s in told.segments))
    batch = tiny.batch_of(model, [told, tiny.sample("drawing")])
    assert set(model.terms(batch)) == set(batch.counts) == {"drawing:image"}
