"""Text to ids and back; what stands around the segments."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.core.errors import DataError
from bothways.core.sample import Image, Sample, Text
from bothways.layout import bpe
from bothways.layout.build import build
from bothways.layout.wording import HouseWording, load_wording

TEXTS = [
    "What is the weather? It is sunny.",
    "The battery shows 57% and the hour hand points at 7.",
    "Draw a red watch face at 12:35:07, rainy, battery 8%, weather top left.",
] * 3
HOUSE = HouseWording(bpe.train(TEXTS, 300))


def spelled(sample: Sample) -> str:
    sequence = build(sample, HOUSE, None, None)
    return "".join(HOUSE.spell(i) for i in sequence.ids)


@given(st.text())
def test_every_text_is_read_back_exactly(text):
    assert HOUSE.decode(HOUSE.encode(text)) == text


@given(st.text())
def test_no_text_gives_a_mark(text):
    assert (HOUSE.encode(text + "^$<>") < HOUSE.start).all()


@pytest.mark.parametrize("text", ["7", " 7", "at 7", "(7)", "57%", "12:35:07", "x7 7\n7", "35  7"])
def test_digits_are_single_tokens_with_one_spelling(text):
    tokens = [HOUSE.spell(i) for i in HOUSE.encode(text)]
    assert all(len(t) == 1 for t in tokens if any(c.isdigit() for c in t))
    digits = [i for i in HOUSE.encode(text) if HOUSE.spell(i).isdigit()]
    assert digits == [HOUSE.encode(c)[0] for c in text if c.isdigit()]


def test_frequent_words_are_one_token_and_take_their_space_along():
    assert [HOUSE.spell(i) for i in HOUSE.encode("a battery, the weather")] == ["a", " battery", ",", " the", " weather"]


def test_training_is_deterministic_and_holds_every_byte():
    again = bpe.train(reversed(TEXTS), 300)
    assert HouseWording(again).digest == HOUSE.digest
    assert bpe.train([], 300).get_vocab_size() == 256
    with pytest.raises(DataError, match="at least 256"):
        bpe.train(TEXTS, 100)


def test_saving_and_pickling_keep_the_ids(tmp_path):
    HOUSE.save(tmp_path)
    for copy in (load_wording(tmp_path), load_wording(tmp_path / "wording.json"), pickle.loads(pickle.dumps(HOUSE))):
        assert copy.digest == HOUSE.digest and copy.encode("at 7").tolist() == HOUSE.encode("at 7").tolist()
        assert (copy.start, copy.vocab_size) == (HOUSE.start, HOUSE.vocab_size)
    other = HouseWording(bpe.train(TEXTS, 290))
    assert other.digest != HOUSE.digest


def test_a_broken_or_missing_file_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(DataError, match="holds no text tokenizer"):
        HouseWording.load(tmp_path / "broken.json")
    with pytest.raises(DataError, match="Cannot read"):
        HouseWording.load(tmp_path / "missing.json")


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(DataError, match="not valid Unicode"):
        HOUSE.encode("a\ud800")


def test_marks_are_five_ids_behind_the_text():
    marks = [HOUSE.start, HOUSE.end, HOUSE.open, HOUSE.close, HOUSE.pad]
    assert marks == list(range(HOUSE.vocab_size - 5, HOUSE.vocab_size))
    assert "".join(map(HOUSE.spell, marks)) == "^$<>_" and HOUSE.decode([HOUSE.start, *HOUSE.encode("a")]) == "a"


def test_a_users_turn_ends_with_a_newline_and_an_answer_with_the_end_token():
    turns = (Text("the hour?"), Text("7", learn=True), Text("sure?"), Text("7", role="assistant"), Text("ok"))
    assert spelled(Sample("a", turns)) == "^the hour?\n7$sure?\n7$ok"
    assert spelled(Sample("a", (Text("be short", role="system"), Text("a"), Text("b")))) == "^be short\nab"
    frames = HOUSE.frames((Text("draw"), Image(None, learn=True)))
    assert HOUSE.decode(frames[0].closing) == "\n"
