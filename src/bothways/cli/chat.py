"""`bothways chat`: a conversation in the terminal, or with a script that writes into a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from bothways.cli.ask import save_png
from bothways.cli.terminal import GuidanceOption, RunArgument, StepOption, TemperatureOption, complain, notice, say

_COMMANDS = ("/image", "/new", "/quit")


def chat(
    run: RunArgument,
    image: Annotated[Path | None, typer.Option(help="A picture file that goes with what is said first.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures that the model draws.")] = Path("chat"),
    seed: Annotated[int, typer.Option(help="Names the draws.")] = 0,
    guidance: GuidanceOption = None,
    temperature: TemperatureOption = None,
    max_images: Annotated[int, typer.Option(min=0, help="Pictures in one reply, at most.")] = 1,
    max_text_tokens: Annotated[int, typer.Option(min=1, help="Text tokens in one reply, at most.")] = 64,
    step: StepOption = None,
) -> None:
    """Talk with a model that decides by itself when to draw.

    Reads a line, replies with text (a line each) and pictures (the path of a PNG file). /image FILE goes with what is said
    next, /new begins anew, /quit or the end of input ends. Only for runs trained with model.learn_marks=true. What the context
    cannot hold is forgotten, oldest turns first. An error is told and the talk goes on; from a pipe, it ends there.
    """
    from bothways.core.errors import BothwaysError, DataError

    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; give --out the name of a folder.")
    _check(run, image)
    from bothways.generate.model import load

    talk = load(run, step).chat(
        seed=seed, guidance=guidance, temperature=temperature, max_images=max_images, max_text_tokens=max_text_tokens
    )
    at_terminal = sys.stdin.isatty()
    if at_terminal:
        notice("/image FILE goes with what you say next, /new begins anew, /quit ends.")
    for line in _lines("> " if at_terminal else ""):
        if line == "/quit":
            return
        try:
            image = _answer(talk, line, image, out)
        except BothwaysError as error:
            if not at_terminal:
                raise
            complain(str(error))


def _check(run: str, image: Path | None) -> None:
    """Refuses before torch is loaded what can be refused without it."""
    from bothways.core.rundir import RunDir
    from bothways.data.pixels import open_picture
    from bothways.model.config import ModelConfig

    found = RunDir.open(run)
    values = found.config().get("model")
    if isinstance(values, dict):
        ModelConfig.parse(values, where=f"{found.config_path}: model").check_decides_to_draw()
    if image is not None:
        open_picture(image)


def _lines(prompt: str) -> Iterator[str]:
    from bothways.core.errors import DataError

    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            return
        except UnicodeDecodeError:
            raise DataError("The input is not UTF-8 text; write lines of text.") from None
        if line:
            yield line


def _answer(talk, line: str, image: Path | None, out: Path) -> Path | None:
    """Does what a line asks for; returns the picture that goes with what is said next."""
    from bothways.core.errors import DataError, unknown
    from bothways.data.pixels import open_picture

    command, _, rest = line.partition(" ")
    if command == "/new":
        talk.forget()
        return None
    if command == "/image":
        if not rest.strip():
            raise DataError("/image needs the path of a picture file; write /image FILE.")
        open_picture(Path(rest.strip()))
        return Path(rest.strip())
    if command.startswith("/"):
        raise DataError(unknown("command", command, _COMMANDS))
    reply = talk.say(line, image)
    if reply.num_forgotten:
        notice(f"The context is full; the oldest {reply.num_forgotten} of the turns were forgotten.")
    if not reply.parts:
        notice("The model ended its turn without a word.")
    for part in reply.parts:
        say(part if isinstance(part, str) else _saved(part, out))
    sys.stdout.flush()
    return None


def _saved(drawn, out: Path) -> str:
    """The path of the picture, which takes the next free number in the folder."""
    path = next(path for path in (out / f"{number:04d}.png" for number in count(1)) if not path.exists())
    save_png(drawn, path)
    return str(path)
