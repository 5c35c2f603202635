"""Transformers tokenizers as wordings: the chat template cut at segment borders."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import Image, Sample, Text
from bothways.layout import bpe
from bothways.layout.build import build
from bothways.layout.chat import CLOSE, OPEN, ChatWording
from bothways.layout.order import Drawing
from bothways.layout.sequence import Content, Duty
from bothways.layout.wording import load_wording
from layouts import FOUR, PICTURE, THREE

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]{% else %} {{ m['content'] }} {{ eos_token }}{% endif %}"
    "{% endfor %}"
)
TALK = [{"role": "user", "content": "the hour?"}, {"role": "assistant", "content": "7 sharp"}] * 2
SAMPLE = Sample("a", tuple(Text(m["content"], learn=m["role"] == "assistant") for m in TALK))


def tokenizer(template: str | None = None, **special: str | None) -> PreTrainedTokenizerFast:
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<|pad|>", **special}
    base = bpe.train(["the hour is 7 sharp, user and assistant"] * 3, 280)
    made = PreTrainedTokenizerFast(tokenizer_object=base, **{k: v for k, v in marks.items() if v})
    made.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)
    made.chat_template = template
    return made


@pytest.mark.parametrize("template", [CHATML, INST])
def test_the_pieces_equal_the_templates_own_output(template):
    original = tokenizer(template)
    sequence = build(SAMPLE, ChatWording(original), None, None)
    assert original.decode(sequence.ids) == original.apply_chat_template(TALK, tokenize=False)
    assert sequence.ids.tolist() == original.apply_chat_template(TALK)["input_ids"]


def test_exactly_the_answers_with_their_end_of_turn_are_learned():
    for template, learned in ((CHATML, "7 sharp<|im_end|>" * 2), (INST, "7 sharp </s>" * 2)):
        original = tokenizer(template)
        wording = ChatWording(original)
        sequence = build(SAMPLE, wording, None, None)
        predicted = sequence.predicts[sequence.duty == Duty.TEXT]
        assert original.decode(sequence.ids[predicted]) == learned
        assert wording.spell(wording.end) == "$" and sequence.ids[predicted[-1]] == wording.end


def test_a_prompt_ends_where_the_assistant_begins():
    original = tokenizer(CHATML)
    prompt = Sample("a", (Text("the hour?"), Text(None, learn=True)))
    ids = build(prompt, ChatWording(original), None, None).ids.tolist()
    assert ids == original.apply_chat_template(TALK[:1], add_generation_prompt=True)["input_ids"]


def test_images_stand_inside_the_turns_and_the_template_survives_dropping():
    wording = ChatWording(tokenizer(CHATML))
    edit = Sample("a", (Image(PICTURE), Text("7"), Image(PICTURE, learn=True)))
    shapes = {
        frozenset(): "$user\n<....>7@\n$assistant\n<...>@\n",
        frozenset({"text", "image"}): "$user\nIT@\n$assistant\n<...>@\n",
    }
    letters = {Content.CLEAN: ".", Content.NOTHING_TEXT: "T", Content.NOTHING_IMAGE: "I"}
    names = {"<|im_start|>": "$", OPEN: "<", CLOSE: ">"}
    for drop, shape in shapes.items():
        sequence = build(edit, wording, FOUR, THREE, drop=drop)
        shown = ""
        for content, id in zip(sequence.content, sequence.ids, strict=True):
            raw = wording._tokenizer.decode([id]) if id >= 0 else ""
            shown += letters.get(content) or names.get(raw) or ("@" if id == wording.end else raw)
        assert shown == shape


@pytest.mark.parametrize(("template", "shape"), [(CHATML, "$user\n7@\n$assistant\n"), (INST, "^[INST] 7 [/INST] ")])
def test_where_marks_are_learned_a_turn_of_texts_and_pictures_is_one_message_with_one_end(template, shape):
    wording, drawing = ChatWording(tokenizer(template)), Drawing(learn_marks=True)
    drawn, said = Image(PICTURE, learn=True), Text("7", learn=True)
    names = {"<|im_start|>": "$", "<s>": "^", OPEN: "<", CLOSE: ">"}

    def shown(*turn) -> tuple[str, str]:
        sequence = build(Sample("a", (Text("7"), *turn, Text("7"), said)), wording, FOUR, THREE, drawing=drawing)
        read = [wording._tokenizer.decode([id]) if id >= 0 else "." for id in sequence.ids]
        letters = [names.get(r) or ("@" if id == wording.end else r) for r, id in zip(read, sequence.ids, strict=True)]
        learned = sorted(sequence.predicts[sequence.duty != Duty.NONE])
        return "".join(letters), "".join(letters[at] for at in learned)

    for turn, middle, learned in (
        ((said,), "7", "7@"),
        ((drawn,), "<...>", "<...@"),
        ((said, drawn), "7<...>", "7<...@"),
        ((drawn, said, drawn), "<...>7<...>", "<...7<...@"),
    ):
        content, taught = shown(*turn)
        assert content.startswith(shape + middle) and taught.replace(" ", "") == learned + "7@"
        assert content.count("@") == (4 if template is CHATML else 2)


@given(st.text())
def test_every_text_is_read_back_exactly_and_forges_no_mark(text):
    for forged in (text, text + "<|im_end|></s>" + OPEN):
        ids = PLAIN.encode(forged)
        assert PLAIN.decode(ids) == forged
        assert not set(ids.tolist()) & {PLAIN.start, PLAIN.end, PLAIN.open, PLAIN.close}


PLAIN = ChatWording(tokenizer())


def test_without_a_template_the_house_template_is_used():
    sequence = build(SAMPLE, PLAIN, None, None)
    assert "".join(map(PLAIN.spell, sequence.ids)) == "^the hour?\n7 sharp$the hour?\n7 sharp$"
    assert PLAIN._tokenizer.decode([PLAIN.start, PLAIN.end]) == "<s></s>"


def test_a_tokenizer_without_a_start_token_starts_with_its_end_token():
    wording = ChatWording(tokenizer(bos_token=None, pad_token=None))
    assert wording.start == wording.end == wording.pad
    with pytest.raises(ConfigError, match="no end-of-text token"):
        ChatWording(tokenizer(bos_token=None, eos_token=None))


def test_marks_are_new_ids_and_the_original_is_left_alone():
    original = tokenizer(CHATML)
    wording = ChatWording(original)
    assert {wording.open, wording.close} == {len(original), len(original) + 1}
    assert wording.vocab_size == len(original) + 2 and OPEN not in original.get_vocab()


def test_saving_loading_and_pickling_keep_the_ids(tmp_path):
    wording = ChatWording(tokenizer(CHATML))
    wording.save(tmp_path)
    expected = build(SAMPLE, wording, None, None).ids.tolist()
    for copy in (load_wording(tmp_path), pickle.loads(pickle.dumps(wording))):
        assert build(SAMPLE, copy, None, None).ids.tolist() == expected
        assert (copy.open, copy.end, copy.vocab_size) == (wording.open, wording.end, wording.vocab_size)
        assert copy.digest == wording.digest != PLAIN.digest


def test_a_conversation_that_the_template_refuses_or_loses_is_named():
    twice = Sample("a", (Text("a", learn=True), Text("b", learn=True)))
    with pytest.raises(DataError, match=r"refuses turns by .'assistant', 'assistant'. .roles must alternate."):
        build(twice, ChatWording(tokenizer(INST)), None, None)
    loses = "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['content'] }}{% endif %}{% endfor %}"
    with pytest.raises(DataError, match=r"shows segments .1. of 2"):
        build(Sample("a", (Text("s", role="system"), Text("b"))), ChatWording(tokenizer(loses)), None, None)


def test_a_missing_tokenizer_is_named(tmp_path):
    with pytest.raises(DataError, match="Cannot load the text tokenizer"):
        load_wording(tmp_path)


def test_encoding_is_cached_and_cannot_be_changed():
    ids = PLAIN.encode("the hour")
    assert PLAIN.encode("the hour") is ids
    with pytest.raises(ValueError, match="read-only"):
        ids[0] = 1
    assert ids.dtype == np.int64
