"""Sample -> Sequence: who predicts whom, who may read whom, and pieces."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import AS_BOTH, Image, OpenTurn, Sample, Text
from bothways.layout.build import build, pieces
from bothways.layout.order import Drawing, Masking
from bothways.layout.rule import reads
from bothways.layout.runs import Cursor, blank_text, lay
from bothways.layout.sequence import Content, Duty
from bothways.layout.wording import ends_turn, load_wording
from bothways.layout.xray import DUTIES
from layouts import CHARACTERS, FOUR, PICTURE, THREE, options, samples

VECTORS = ["ids", "content", "duty", "predicts", "block", "private", "position", "place", "next_place", "doc"]


def built(*segments, **options):
    return build(Sample("a", segments), CHARACTERS, FOUR, THREE, **options)


def learned_units(sequence, sample, drop=frozenset()) -> list[tuple[str, int]]:
    """Every position that holds something to be learned, found from the content alone."""
    units = []
    for span in sequence.images:
        if sample.segments[span.segment].learn and not span.copy:
            for at in range(span.start, span.start + span.num_tokens):
                in_place = sequence.private[at]
                if not in_place or sequence.content[at] != Content.CLEAN:
                    units.append(("image", at))
    return units


@given(samples, options)
def test_each_learned_unit_has_exactly_one_predictor(sample, options):
    sequence = build(sample, CHARACTERS, FOUR, THREE, **options)
    predicted = sequence.predicts[sequence.duty != Duty.NONE]
    assert len(set(predicted)) == len(predicted)
    assert ((sequence.predicts >= 0) == (sequence.duty != Duty.NONE)).all()
    told = zip(sample.segments, ends_turn(sample.segments, options["drawing"].learn_marks), strict=True)
    learned = [(s, ends) for s, ends in told if s.learn]
    written = "".join(s.content + "$" * ends for s, ends in learned if isinstance(s, Text))
    assert (sequence.duty == Duty.TEXT).sum() == len(written)
    text = np.flatnonzero(sequence.duty == Duty.TEXT)
    assert "".join(chr(i) for i in sequence.ids[sequence.predicts[text]]) == written
    image = np.flatnonzero(sequence.duty == Duty.IMAGE)
    assert sorted(sequence.predicts[image]) == [at for _, at in learned_units(sequence, sample)]
    marks = np.flatnonzero(sequence.duty == Duty.MARK)
    decided = "".join("<" + "$" * ends for s, ends in learned if isinstance(s, Image))
    assert "".join(chr(i) for i in sequence.ids[sequence.predicts[marks]]) == (
        decided if options["drawing"].learn_marks else ""
    )


@given(samples, options)
def test_a_predictor_never_sees_clean_what_it_predicts(sample, options):
    sequence = build(sample, CHARACTERS, FOUR, THREE, **options)
    may = reads(sequence)
    same_token = {(s.segment, int(p), s.learn): [] for s in sequence.images for p in s.places}
    for span in sequence.images:
        for offset, place in enumerate(span.places):
            same_token[span.segment, int(place), span.learn].append(span.start + offset)
    where = {at: places for places in same_token.values() for at in places}
    for q in np.flatnonzero(sequence.duty != Duty.NONE):
        for k in where.get(int(sequence.predicts[q]), [int(sequence.predicts[q])]):
            shows = sequence.content[k] in (Content.CLEAN, Content.TEXT)
            assert not (may[q, k] and shows), f"position {q} reads {k}, which it must predict"


@given(samples, options)
def test_reading_is_reflexive_and_transitive(sample, options):
    may = reads(build(sample, CHARACTERS, FOUR, THREE, **options))
    assert may.diagonal().all()
    assert not ((may.astype(int) @ may.astype(int) > 0) & ~may).any()


@given(samples, options)
def test_blocks_never_go_back_and_positions_are_those_of_a_document_without_the_copies(sample, options):
    sequence = build(sample, CHARACTERS, FOUR, THREE, **options)
    assert (np.diff(sequence.block) >= 0).all()
    copied = np.zeros(len(sequence), dtype=bool)
    for span in sequence.images:
        copied[span.start : span.start + span.num_tokens] |= span.copy
    assert sequence.position[~copied].tolist() == list(range((~copied).sum()))


@given(samples, options)
def test_a_prompt_is_a_prefix_of_its_sample(sample, options):
    whole = build(sample, CHARACTERS, FOUR, THREE, **options)
    prompt = build(sample.prompt(), CHARACTERS, FOUR, THREE, **options)
    n = len(prompt)
    for name in VECTORS:
        last = n - 1 if name in ("duty", "predicts") else n  # the last position's target is not there yet
        assert (getattr(prompt, name)[:last] == getattr(whole, name)[:last]).all(), name
    if any(s.learn for s in sample.segments):
        first = next(i for i, s in enumerate(sample.segments) if s.learn)
        wanted = whole.duty[n - 1] if isinstance(sample.segments[first], Text) else Duty.IMAGE
        assert wanted in ((Duty.TEXT, Duty.MARK) if options["drawing"].learn_marks else (Duty.TEXT,)) or wanted == Duty.IMAGE
    assert prompt.duty[-1] == Duty.NONE and prompt.predicts[-1] == -1


@given(samples, options)
def test_laying_part_by_part_gives_the_same_numbers(sample, options):
    whole = build(sample, CHARACTERS, FOUR, THREE, **options)
    chunks, cursor = [], Cursor()
    for piece in pieces(sample, CHARACTERS, FOUR, THREE, **options):
        for part in (piece.head, piece.body, piece.tail):
            assert cursor.after(part) == lay(part, cursor)[1]
            chunk, cursor = lay(part, cursor)
            chunks.append(chunk)
    for name in set(VECTORS) - {"duty", "predicts"}:
        assert (np.concatenate([getattr(c, name) for c in chunks]) == getattr(whole, name)).all(), name


def test_a_blank_text_is_numbered_like_the_answer_that_fills_it():
    prompt = Sample("a", (Text("ab"), Text(None, learn=True), Text("c")))
    filled = built(Text("ab"), Text("xy", learn=True), Text("c"))
    start, *rest = pieces(prompt, CHARACTERS, None, None)
    given_text, answer, after = rest
    assert answer.to_write and not given_text.to_write
    _, cursor = lay(start.runs + given_text.runs + answer.head)
    written, _ = lay([blank_text(10)], cursor)
    assert written.block[:3].tolist() == filled.block[3:6].tolist()
    assert written.position[:3].tolist() == filled.position[3:6].tolist()
    chunk, _ = lay(answer.tail + after.runs, cursor.after([blank_text(3)]))
    assert chunk.block.tolist() == filled.block[6:].tolist() and chunk.position.tolist() == filled.position[6:].tolist()


def test_the_opening_mark_asks_for_the_first_place_and_each_token_for_the_next():
    sequence = built(Text("cat"), Image(PICTURE, learn=True), drawing=Drawing(order="random"), seed=3)
    span = sequence.images[0]
    assert sequence.next_place[span.start - 1 : span.start + 3].tolist() == [*span.places, -1]
    assert sequence.place[span.start : span.start + 3].tolist() == span.places.tolist()


@given(samples, options)
def test_the_next_place_is_the_place_of_the_token_predicted(sample, options):
    sequence = build(sample, CHARACTERS, FOUR, THREE, **options)
    predicts_elsewhere = (sequence.duty == Duty.IMAGE) & (sequence.predicts != np.arange(len(sequence)))
    expected = np.where(predicts_elsewhere, sequence.place[sequence.predicts], -1)
    assert (sequence.next_place == expected).all()


def test_order_and_masks_depend_on_sample_step_and_seed_alone():
    draws = lambda **o: built(Image(PICTURE, learn=True), **o).place.tolist()  # noqa: E731
    random = Drawing(order="random")
    assert draws(drawing=random, step=1) == draws(drawing=random, step=1)
    assert len({tuple(draws(drawing=random, step=s)) for s in range(20)}) > 3
    assert len({tuple(draws(drawing=random, seed=s)) for s in range(20)}) > 3
    share = built(Image(PICTURE, learn=True), drawing=Drawing(masked=Masking(share=0.67)))
    assert (share.content == Content.HIDDEN).sum() == 2


def test_a_hidden_image_is_one_private_block_and_only_its_copy_is_read_later():
    sequence = built(Image(PICTURE, learn=True), Text("ok", learn=True), drawing=Drawing(masked=Masking()))
    may = reads(sequence)
    hidden, copy = sequence.images
    block, clean = slice(hidden.start, hidden.start + 3), slice(copy.start, copy.start + 3)
    assert may[block, block].all() and not may[copy.start :, block].any() and may[copy.start :, clean].all()
    assert (sequence.position[block] == sequence.position[clean]).all() and not sequence.duty[clean].any()


def test_nothing_tokens_stand_for_dropped_segments_marks_included():
    edit = (Image(PICTURE), Text("red"), Image(PICTURE, learn=True))
    shapes = {
        frozenset(): "^<....>red<...>",
        frozenset({"text"}): "^<....>t<...>",
        frozenset({"image"}): "^ired<...>",
        frozenset({"text", "image"}): "^it<...>",
    }
    for drop, shape in shapes.items():
        sequence = built(*edit, drop=drop)
        letters = {Content.CLEAN: ".", Content.NOTHING_TEXT: "t", Content.NOTHING_IMAGE: "i"}
        shown = (letters.get(c) or chr(i) for c, i in zip(sequence.content, sequence.ids, strict=True))
        assert "".join(shown) == shape


def test_learned_segments_are_never_dropped():
    everything = frozenset({"text", "image"})
    assert len(built(Text("ok", learn=True), drop=everything)) == len(built(Text("ok", learn=True)))


def test_a_given_image_can_open_a_block_at_every_token():
    assert len(set(built(Image(PICTURE)).block)) == 4 and len(set(built(Image(PICTURE), causal_given=True).block)) == 7


def test_a_given_image_enters_as_the_tokens_that_read_those_that_draw_or_both_with_marks_of_their_own():
    def shape(views, **options) -> tuple[str, list[tuple[bool, int, int]]]:
        sequence = built(Image(PICTURE, views=views), Text("red"), Image(PICTURE, learn=True), **options)
        shown = "".join("." if c == Content.CLEAN else chr(i) for c, i in zip(sequence.content, sequence.ids, strict=True))
        return shown, [(span.learn, span.segment, span.num_tokens) for span in sequence.images]

    assert shape(("given",)) == ("^<....>red<...>", [(False, 0, 4), (True, 2, 3)])
    assert shape(("learned",)) == ("^<...>red<...>", [(True, 0, 3), (True, 2, 3)])
    assert shape(AS_BOTH) == ("^<....><...>red<...>", [(False, 0, 4), (True, 0, 3), (True, 2, 3)])
    assert shape(AS_BOTH[::-1])[0] == "^<...><....>red<...>"
    assert shape(AS_BOTH, same_tokens=True) == shape(("given",)), "twice the same tokens would say nothing"
    sequence = built(Image(PICTURE, views=AS_BOTH), Text("red"))
    assert not sequence.duty.any() and (sequence.predicts == -1).all(), "nothing of a given image is learned"
    first, second = (slice(span.start, span.start + span.num_tokens) for span in sequence.images)
    may = reads(sequence)
    assert may[second, first].all() and may[first, first].all() and not may[first, second].any()
    for wrong in ((), ("given", "given")):
        with pytest.raises(DataError, match="enters as given, learned or both"):
            Image(PICTURE, views=wrong)
    with pytest.raises(DataError, match="a learned one has none"):
        Image(PICTURE, learn=True, views=AS_BOTH)


LEARNED = Image(PICTURE, learn=True)
TURNS = {
    "a question": ((Text("how?"), Text("so", learn=True)), "^how?so$", "....TTT."),
    "a request": ((Text("cat!"), LEARNED), "^cat!<...>$", "....MIII.M."),
    "text, then a picture": ((Text("cat!"), Text("so", learn=True), LEARNED), "^cat!so<...>$", "....TTMIII.M."),
    "text, picture, text, picture": (
        (Text("a", learn=True), LEARNED, Text("b", learn=True), LEARNED),
        "^a<...>b<...>$",
        "TMIII.TMIII.M.",
    ),
    "two pictures": ((LEARNED, LEARNED), "^<...><...>$", "MIII.MIII.M."),
    "two turns": ((LEARNED, Text("so?"), Text("b", learn=True)), "^<...>$so?b$", "MIII.M...TT."),
    "two answers": ((Text("a", learn=True), Text("b", learn=True)), "^a$b$", "TTTT."),
    "words put in its mouth": ((Text("ok", role="assistant"), LEARNED), "^ok<...>$", "..MIII.M."),
}


@pytest.mark.parametrize("name", TURNS)
def test_where_marks_are_learned_a_turn_ends_once_and_each_of_its_parts_begins_where_a_text_would_go_on(name):
    segments, content, duty = TURNS[name]
    sequence = built(*segments, drawing=Drawing(learn_marks=True))
    shown = "".join("." if c == Content.CLEAN else chr(i) for c, i in zip(sequence.content, sequence.ids, strict=True))
    assert shown == content
    assert "".join(DUTIES[Duty(d)] for d in sequence.duty) == duty


def test_one_form_of_prompt_serves_questions_requests_and_open_turns():
    """The model's turn begins alike, and there it says a word or the opening mark."""
    for wording in (CHARACTERS, load_wording("asset:text")):
        open_, question, request = (
            build(Sample("a", (Image(PICTURE), Text("so?"), end)), wording, FOUR, THREE, drawing=Drawing(learn_marks=True))
            for end in (OpenTurn(), Text(None, learn=True), Image(None, learn=True))
        )
        for name in VECTORS:
            last = len(open_) - 1 if name in ("duty", "predicts") else len(open_)
            assert (getattr(open_, name) == getattr(question, name)).all()
            assert (getattr(open_, name)[:last] == getattr(request, name)[:last]).all()
        assert request.ids[-1] == wording.open and request.predicts[-2] == len(open_) == len(request) - 1


def test_what_cannot_be_laid_out_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="is 9 tokens long and the context holds 8; shorten"):
        built(Text("too long"), max_tokens=8)
    assert len(built(Text("too long"), max_tokens=9)) == 9
    with pytest.raises(DataError, match="Segment 1 of sample `a` is given but has no content"):
        built(Text("a"), Text(None))
    with pytest.raises(ConfigError, match="an image to be drawn, but the model has no tokenizer"):
        build(Sample("a", (Image(PICTURE, learn=True),)), CHARACTERS, FOUR, None)
    with pytest.raises(ConfigError, match="an image to be read"):
        build(Sample("a", (Image(PICTURE),)), CHARACTERS, None, THREE)
    for wrong in ({"order": "random", "noised": True}, {"masked": {}, "noised": True}, {"masked": {"share": 0}}):
        with pytest.raises(ConfigError):
            Drawing.parse(wrong)


def test_layout_imports_neither_torch_nor_transformers():
    rooms = "bpe, build, chat, order, rule, runs, sequence, wording, xray"
    script = f"import sys; from bothways.layout import {rooms}; print(*sorted({{'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
