"""A report's main numbers as report.tex: what each arm scores on what the verdicts rest on, and the differences.

Two `table` floats of plain `tabular`s, which need no package: `\\input{report}` anywhere in a document's body. Every number
stands in report.json, too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from bothways.study.compare import Difference
from bothways.study.gather import Cell, Gathered
from bothways.study.study import Comparison
from bothways.study.verdict import Verdict

DIGITS = 3
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",  # in TeX's own font encoding these three are other letters
    ">": "$>$",
    "|": "$|$",
    "[": "{[}",  # at the beginning of a row it would be an option of the row's end
    "−": "$-$",  # and these are not known to it
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "↓": r"$\downarrow$",
    "\n": " ",
}


def as_latex(found: Gathered, missing: Sequence[str] = ()) -> str:
    """The text of report.tex. `missing`: what is not finished, in sentences."""
    return "\n".join([_opening(found), *_of_arms(found, missing), "", *_of_comparisons(found), ""])


def escaped(text: str) -> str:
    """Text of people's own as TeX shows it."""
    return "".join(_ESCAPED.get(letter, letter) for letter in text)


def number(value: float | None, signed: bool = False) -> str:
    """`$-0.012$`; `--` where there is none."""
    if value is None or math.isnan(value):
        return "--"
    return f"${value:{'+' if signed else ''}.{DIGITS}f}$"


def _opening(found: Gathered) -> str:
    name = found.study.name.replace("\n", " ")
    return f"% The study {name} in numbers, written by bothways: \\input{{report}} in a document; no package is needed."


def _of_arms(found: Gathered, missing: Sequence[str]) -> list[str]:
    """Arms by the measures that verdicts rest on."""
    measures = list(dict.fromkeys(one.primary for one in found.study.comparisons))
    rows = [[escaped(arm), *(_mean(cells.get(measure)) for measure in measures)] for arm, cells in found.cells.items()]
    over = "pictures, of one run an arm" if found.num_seeds == 1 else f"{found.num_seeds} seeds"
    unfinished = f" Not finished: {escaped('; '.join(missing))}." if missing else ""
    told = f"{escaped(found.study.title)} Mean and 95\\,\\% interval over {over}.{unfinished}"
    headings = ["arm", *(f"{escaped(measure)}{_turned(found, measure)}" for measure in measures)]
    return _table(told, f"tab:{_label(found.study.name)}-arms", "l" + "c" * len(measures), headings, rows)


def _of_comparisons(found: Gathered) -> list[str]:
    headings = ["comparison", "treatment $-$ control", "measure", "difference", r"95\,\% interval", "$n$", "seeds", "verdict"]
    verdicts = {one.comparison: one for one in found.verdicts}
    rows = [_difference(one, verdicts[one.name]) for one in found.study.comparisons]
    told = "Paired differences; $n$ items a seed. " + escaped(found.study.rule)
    return _table(told, f"tab:{_label(found.study.name)}-differences", "lllccrrl", headings, rows)


def _difference(comparison: Comparison, verdict: Verdict) -> list[str]:
    one = verdict.difference
    arms = f"{escaped(comparison.treatment)} $-$ {escaped(comparison.control)}"
    numbers = ["--"] * 4 if one is None else _numbers(one)
    measure = comparison.primary if one is None else one.measure
    return [escaped(comparison.name), arms, escaped(measure), *numbers, escaped(verdict.headline)]


def _numbers(one: Difference) -> list[str]:
    return [number(one.value, signed=True), _interval(one.low, one.high, signed=True) or "--", str(one.n), str(one.num_seeds)]


def _mean(cell: Cell | None) -> str:
    return "--" if cell is None else f"{number(cell.value)} {_interval(cell.low, cell.high)}".rstrip()


def _interval(low: float | None, high: float | None, signed: bool = False) -> str:
    unknown = any(end is None or math.isnan(end) for end in (low, high))
    return "" if unknown else f"{{[}}{number(low, signed)}, {number(high, signed)}]"


def _turned(found: Gathered, measure: str) -> str:
    """An arrow where lower is better."""
    cells = [cells[measure] for cells in found.cells.values() if measure in cells]
    return r" $\downarrow$" if cells and not cells[0].score.higher_is_better else ""


def _label(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "-", name)


def _table(told: str, label: str, columns: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{told}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\hline",
        *(rf"{' & '.join(cells)} \\" for cells in [headings]),
        r"\hline",
        *(rf"{' & '.join(cells)} \\" for cells in rows),
        r"\hline",
        r"\end{tabular}",
        r"\end{table}",
    ]
