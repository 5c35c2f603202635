"""Embeddings and losses, gathered and scattered in the model, against loops that say what is meant position by position."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import tiny
from bothways.core.sample import Image, Sample
from bothways.layout.sequence import Content, Duty, Sequence
from bothways.model.unified import UnifiedModel

SAMPLES = [tiny.sample(pattern) for pattern in tiny.PATTERNS]
SETTINGS = {
    "raster": {},
    "random order": {"order": "random"},
    "patches read": tiny.READS_PATCHES,
    "separate, marks learned": {"order": "random", "learn_marks": True, **tiny.SEPARATE},
}
DROPS = [frozenset(), frozenset({"text"}), frozenset({"text", "image"})]


def tokens_of(model: UnifiedModel, sample: Sample, sequence: Sequence, at: int) -> tuple[bool, Tensor]:
    """Is the image at a position drawn, and its tokens in raster order, encoded here and now."""
    span = next(span for span in sequence.images if span.start <= at < span.start + span.num_tokens)
    picture = sample.segments[span.segment]
    assert isinstance(picture, Image) and picture.learn == span.learn
    cache = model.encodings.learned if span.learn else model.encodings.given
    return span.learn, cache.tokens([picture.content])[0]


def embedding(model: UnifiedModel, sample: Sample, sequence: Sequence, at: int) -> Tensor:
    """What the backbone reads at one position."""
    content = Content(sequence.content[at])
    if content is Content.NOTHING_TEXT:
        x = model.nothing_text
    elif content is Content.NOTHING_IMAGE:
        x = model.nothing_image
    elif content is Content.TEXT:
        x = model.backbone.embed(torch.tensor([sequence.ids[at]]))[0]
    else:
        drawn, tokens = tokens_of(model, sample, sequence, at)
        place = torch.tensor([sequence.place[at]])
        tokenizer = model.learned if drawn else model.given
        projector = model.learned_projector if drawn else model.given_projector
        row, column = divmod(int(place), 3)
        where = projector.places.axes[0].weight[row] + projector.places.axes[1].weight[column]
        x = projector.content(projector.scale * tokenizer.vectors(tokens[None])[0, place])[0] + where
    if sequence.next_place[at] >= 0:
        row, column = divmod(int(sequence.next_place[at]), 3)
        x = x + model.next_place.axes[0].weight[row] + model.next_place.axes[1].weight[column]
    return x


@torch.inference_mode()
@pytest.mark.parametrize("drop", DROPS, ids=["given", "no text", "nothing"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_embeddings_are_what_each_position_holds(settings: str, drop: frozenset[str]):
    model = tiny.model(**SETTINGS[settings])
    sequences = [model.lay_out(sample, drop if sample.learns_image else frozenset()) for sample in SAMPLES]
    batch = tiny.collate(sequences, SAMPLES)
    x = model.embed(model.attach(batch))
    for row, (sample, sequence) in enumerate(zip(SAMPLES, sequences, strict=True)):
        expected = torch.stack([embedding(model, sample, sequence, at) for at in range(len(sequence))])
        torch.testing.assert_close(x[row, : len(sequence)], expected, rtol=1e-5, atol=1e-5, msg=sample.id)


@torch.inference_mode()
@pytest.mark.parametrize("settings", SETTINGS)
def test_losses_are_the_cross_entropies_of_what_each_position_must_predict(settings: str):
    model = tiny.model(**SETTINGS[settings]).eval()
    batch = tiny.batch_of(model, SAMPLES)
    hidden = model.hidden(batch)
    found = {duty: [*zip(*map(torch.Tensor.tolist, pair), strict=True)] for duty, pair in model.losses(batch).items()}
    expected: dict[Duty, list] = {duty: [] for duty in found}
    for row, sample in enumerate(SAMPLES):
        sequence = model.lay_out(sample)
        for at in range(len(sequence)):
            duty, predicted = Duty(sequence.duty[at]), sequence.predicts[at]
            if duty is Duty.NONE:
                continue
            if duty is Duty.IMAGE:
                target = tokens_of(model, sample, sequence, predicted)[1][sequence.place[predicted]]
                logits = model.head.logits(hidden[row, at])
            else:
                target, logits = torch.tensor(sequence.ids[predicted]), model.backbone.text_logits(hidden[row, at])
            expected[duty].append((row, -logits.log_softmax(-1)[target].item()))
    assert found.keys() == expected.keys() == {Duty.TEXT, Duty.IMAGE} | ({Duty.MARK} if model.config.learn_marks else set())
    for duty, pairs in expected.items():
        assert [row for row, _ in found[duty]] == [row for row, _ in pairs]
        assert [loss for _, loss in found[duty]] == pytest.approx([loss for _, loss in pairs], rel=1e-4)


@torch.inference_mode()
def test_learned_marks_have_a_tally_of_their_own_and_change_no_other():
    plain, marked = (tiny.model(learn_marks=marks).eval() for marks in (False, True))
    without = plain.terms(tiny.batch_of(plain, SAMPLES))
    having = marked.terms(tiny.batch_of(marked, SAMPLES))
    extra = {name: tally.count for name, tally in having.items() if name not in without}
    # A mark before each picture, and an end behind one that is the last of its turn.
    marks = {"drawing": 2, "editing": 1, "interleaved": 3, "illustrated": 3, "talk": 6}
    assert extra == {f"{name}:mark": count for name, count in marks.items()}
    # Texts followed by pictures no longer end the turn.
    ended_less = {"interleaved:text": 2, "illustrated:text": 2, "talk:text": 1}
    for name, tally in without.items():
        if name in ended_less:
            assert having[name].count == tally.count - ended_less[name]
        if name.partition(":")[0] in {one.partition(":")[0] for one in ended_less}:
            continue  # what stands before its pictures is another text
        assert having[name].count == tally.count and float(having[name].total) == pytest.approx(float(tally.total), rel=1e-5)


def test_a_model_reads_nothing_of_what_a_prompt_leaves_open():
    """The sequence of a prompt is the beginning of the sequence of the whole sample, up to where the model writes."""
    model = tiny.model(order="random")
    for sample in SAMPLES:
        whole, prompt = model.lay_out(sample), model.lay_out(sample.prompt())
        assert 0 < len(prompt) < len(whole)
        for name in ("ids", "content", "block", "place", "position", "next_place"):
            assert getattr(prompt, name).tolist() == getattr(whole, name)[: len(prompt)].tolist(), name
