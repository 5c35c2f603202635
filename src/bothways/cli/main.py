"""`bothways`: every command in a file of its own, imported without torch; and how a command that fails says so."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from bothways.cli import (
    accumulation,
    ask,
    bench,
    chat,
    data,
    distance,
    evaluate,
    grid,
    inspect,
    pilot,
    probe,
    quickstart,
    recipes,
    scaling,
    size,
    study,
    swap,
    synergy,
    train,
)
from bothways.cli.terminal import complain, say
from bothways.core.errors import BothwaysError

INTERNAL, UNUSABLE = 70, 74  # exit codes of sysexits.h: EX_SOFTWARE, EX_IOERR

app = typer.Typer(
    name="bothways",
    help="One model that reads pictures and draws them: build it, train it, measure both skills.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
_PANELS = {
    "Start": {"quickstart": quickstart.quickstart, "recipes": recipes.recipes, "inspect": inspect.inspect, "size": size.size},
    "Train": {"train": train.train, "train-tokenizer": train.train_tokenizer, "train-reader": train.train_reader},
    "Measure": {
        "evaluate": evaluate.evaluate,
        "mark": evaluate.mark,
        "probe": probe.probe,
        "distance": distance.distance,
        "accumulation": accumulation.accumulation,
        "scaling": scaling.scaling,
    },
    "Study": {"synergy": synergy.synergy, "grid": grid.grid, "swap": swap.swap},
    "Use": {"answer": ask.answer, "caption": ask.caption, "chat": chat.chat, "draw": ask.draw, "edit": ask.edit},
    "Data": {"make-data": data.make_data, "read": data.read},
}
for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel)(_command)

_study = typer.Typer(help="Ask a question: plan it, run its arms, report with a verdict.", no_args_is_help=True)
for _name, _command in {
    "list": study.list_,
    "plan": study.plan,
    "run": study.run,
    "report": study.report,
    "calibrate": pilot.calibrate,
    "tune": pilot.tune,
    "simulate": study.simulate,
}.items():
    _study.command(_name)(_command)
app.add_typer(_study, name="study", rich_help_panel="Study")

_bench = typer.Typer(help="Speed beside a bare loop and beside transformers.", no_args_is_help=True)
for _command in (bench.train, bench.draw, bench.stack):
    _bench.command(_command.__name__)(_command)
app.add_typer(_bench, name="bench", rich_help_panel="Measure")


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        say(f"bothways {installed('bothways')}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0, the error's own, 2 for wrong usage, 130 after Ctrl-C, 70 for a bug."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character must not stop a run
    try:
        app([word for word in words if word != "--debug"], prog_name="bothways")
        return 0
    except SystemExit as exit:
        return _code(exit.code)
    except KeyboardInterrupt:
        return _code(130)
    except Exception as error:
        if debug:
            traceback.print_exc()
        sentence, code = explain(error)
        complain(sentence)
        return code


def explain(error: Exception) -> tuple[str, int]:
    """The sentence and exit code for an error that reached the top."""
    if isinstance(error, BothwaysError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error).lower():
        return "There is not enough memory for this; make the model, the batch or the picture smaller.", UNUSABLE
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return "The disk is full; what was saved before is intact, so free some space and try again.", UNUSABLE
        found = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return f"A file or folder cannot be used ({found}); check its path and permissions.", UNUSABLE
    told = f"{type(error).__name__}: {error}".strip()
    return f"This is a bug in bothways: {told.rstrip('.')}. Run again with --debug and report what it shows.", INTERNAL


def _code(code: object) -> int:
    if code == 130:
        complain("Stopped by Ctrl-C.")
    return code if isinstance(code, int) else int(bool(code))


if __name__ == "__main__":
    sys.exit(main())
