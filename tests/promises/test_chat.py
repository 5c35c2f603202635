"""A conversation with a model that decides by itself when to draw: from Python, and in the terminal through a pipe."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

import bothways
from bothways.core.errors import ConfigError, DataError

REQUEST, QUESTION = "draw a red watch, sunny in the top left.", "what is the weather?"


@pytest.fixture(scope="module")
def model(decides: Path) -> bothways.Model:
    return bothways.load(decides)


@pytest.fixture
def typed(told, monkeypatch):
    """Runs `bothways chat` with these lines on standard input."""

    def run(words: list, *lines: str, stream: type = io.StringIO) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", stream("".join(line + "\n" for line in lines)))
        return told("chat", *words)

    return run


def test_a_request_is_answered_by_a_picture_and_a_question_in_words(model, picture: Path) -> None:
    chat = model.chat()
    drawn = chat.say(REQUEST)
    assert drawn.text == "" and [found.size for found in drawn.pictures] == [(48, 48)]
    chat.forget()
    answered = chat.say(QUESTION, picture)
    assert answered.text and not answered.pictures
    assert answered.parts == (answered.text,) and not answered.num_forgotten


def test_a_reply_is_what_generate_makes_of_the_conversation_and_an_open_turn(model, picture: Path) -> None:
    given = bothways.Image(bothways.ArrayPicture.named_by_content(np.asarray(Pil.open(picture))))
    chat, so_far = model.chat(guidance=1.0, max_text_tokens=8), []
    for number, said in enumerate([(given, bothways.Text(QUESTION)), (bothways.Text(REQUEST),), (bothways.Text(QUESTION),)]):
        reply = chat.say(said[-1].content, picture if number == 0 else None)
        prompt = bothways.Sample(f"chat/{number}", (*so_far, *said, bothways.OpenTurn(8, 1)))
        filled = model.generate(prompt)
        came = filled.segments[len(so_far) + len(said) :]
        so_far = list(filled.segments)
        assert all(segment.learn for segment in came) and came
        assert [part for part in reply.parts if isinstance(part, str)] == [
            s.content.strip() for s in came if isinstance(s, bothways.Text) and s.content
        ]
        drawn = [s.content.array for s in came if isinstance(s, bothways.Image)]
        assert all((np.asarray(a) == b).all() for a, b in zip(reply.pictures, drawn, strict=True))


def test_the_oldest_turns_are_forgotten_where_the_context_is_full(model) -> None:
    chat = model.chat(max_text_tokens=40)
    forgotten = [chat.say(f"{REQUEST} {REQUEST}").num_forgotten for _ in range(5)]
    assert not forgotten[0] and any(forgotten) and len(chat._turns) == 5 - sum(forgotten) >= 1
    fresh = model.chat(max_text_tokens=40)
    with pytest.raises(DataError, match=r"the model's context holds 160; shorten the text or lower max_text_tokens"):
        fresh.say("draw " * 200)
    assert fresh.say(REQUEST).parts and not fresh.say(REQUEST).num_forgotten, "what did not fit is not part of the talk"


def test_a_chat_refuses_what_it_cannot_use(model, trained: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set model.learn_marks=true\.$"):
        bothways.load(trained).chat()
    with pytest.raises(DataError, match="The text is empty"):
        model.chat().say("  ")
    with pytest.raises(DataError, match="There is no picture"):
        model.chat().say("what?", "nowhere.png")
    with pytest.raises(DataError, match="at most 0 text tokens"):
        model.chat(max_text_tokens=0)


def test_a_script_can_talk_through_a_pipe(decides: Path, picture: Path, tmp_path: Path, typed) -> None:
    out = tmp_path / "drawn"
    out.mkdir()
    (out / "0001.png").write_text("somebody's own")
    lines = [REQUEST, "", "/new", f"/image {picture}", QUESTION, "/new", REQUEST, "/quit", "never said"]
    code, printed, err = typed([decides, "--out", out], *lines)
    assert code == 0 and not err
    first, *answer, second = printed.splitlines()
    assert [first, second] == [str(out / "0002.png"), str(out / "0003.png")]
    assert answer and (out / "0001.png").read_text() == "somebody's own"
    with Pil.open(first) as drawn:
        assert drawn.size == (48, 48) and drawn.format == "PNG"
    again = typed([decides, "--out", out, "--image", picture], QUESTION)
    assert again == (0, "\n".join(answer) + "\n", ""), "--image goes with what is said first"


def test_a_chat_says_that_it_forgot(decides: Path, tmp_path: Path, typed) -> None:
    code, printed, err = typed([decides, "--out", tmp_path], *[f"{REQUEST} {REQUEST}"] * 4)
    assert code == 0 and "The context is full; the oldest 1 of the turns were forgotten." in err and printed


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["/image nowhere.png"], "There is no picture nowhere.png"),
        (["/image"], "write /image FILE"),
        (["/imge x.png"], "Did you mean `/image`"),
        (["draw " * 300], "the model's context holds 160"),
    ],
)
def test_an_error_in_a_pipe_is_one_sentence_and_ends_the_chat(lines, sentence, decides: Path, tmp_path: Path, typed) -> None:
    code, printed, err = typed([decides, "--out", tmp_path], *lines, REQUEST)
    assert code in (DataError.exit_code, ConfigError.exit_code) and not printed
    assert sentence in err and err.startswith("Error: ") and "Traceback" not in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_at_a_terminal_an_error_is_told_and_the_talk_goes_on(decides: Path, tmp_path: Path, typed) -> None:
    code, printed, err = typed([decides, "--out", tmp_path], "/image nowhere.png", REQUEST, stream=Terminal)
    assert code == 0 and "There is no picture nowhere.png" in err and "/quit ends" in err
    assert printed.replace("> ", "").splitlines() == [str(tmp_path / "0001.png")]


def test_a_run_that_cannot_decide_is_refused_in_one_sentence_before_torch_is_loaded(trained: Path, typed, tmp_path) -> None:
    code, printed, err = typed([trained], REQUEST)
    assert code == ConfigError.exit_code and not printed
    assert err.strip().endswith("train one with --set model.learn_marks=true.") and len(err.strip().splitlines()) == 1
    file = tmp_path / "file"
    file.touch()
    assert "give --out the name of a folder" in typed([trained, "--out", file])[2]
