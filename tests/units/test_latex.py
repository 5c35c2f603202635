"""report.tex: TeX that holds together whatever people call things, with the numbers of report.json."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from studies import ARMS, fake_run, small_study

from bothways.study.latex import escaped, number
from bothways.study.ledger import ArmLedger, Ledger
from bothways.study.report import Standing, write_report
from bothways.study.study import Study

RIGHT = {"understanding": {"hour": 0.4, "minute": 0.3}, "drawing": {"hour": 0.4, "minute": 0.3}, "unified": {"hour": 0.7}}
NASTY = r"100 % of a_b & c# cost $5 {~^\x} <|>"


def written(folder: Path, study: Study, standing: Standing | None = None) -> tuple[str, dict]:
    runs = {arm: [fake_run(folder / f"{arm}-{seed}", RIGHT[arm], arm, seed, num=12) for seed in study.seeds] for arm in ARMS}
    write_report(study, runs, folder, Ledger(arms=dict.fromkeys(ARMS, ArmLedger())), standing=standing)
    return (folder / "report.tex").read_text(), json.loads((folder / "report.json").read_text())


def rows_of(text: str) -> list[list[list[str]]]:
    """The tables' rows cell by cell, as TeX cuts them: at every & that is not escaped. Checks each against its columns."""
    found = []
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL):
        lines = [line for line in body.splitlines() if line != r"\hline"]
        assert all(line.endswith(r" \\") for line in lines)
        table = [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines]
        assert {len(row) for row in table} == {len(columns)}
        found.append(table)
    return found


def check_tex(text: str) -> None:
    """Groups and environments close in order, mathematics ends in its line, and nothing special stands bare."""
    bare = re.sub(r"\\[\\{}&%$#_]", "", text.partition("\n")[2])
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", bare):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    for line in bare.splitlines():
        assert line.count("$") % 2 == 0
        outside = re.sub(r"\$[^$]*\$", "", line)
        assert not re.search(r"[%#~^<>|_]|(?<!\{)\[", outside), outside
    assert bare.isascii()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> tuple[str, dict]:
    return written(tmp_path_factory.mktemp("latex"), small_study(seeds=(0, 1)))


def test_means_and_intervals_are_those_of_the_json(report):
    text, held = report
    headings, *rows = rows_of(text)[0]
    assert headings == ["arm", "reading/hands/skill", "drawing/hands/skill"] and [row[0] for row in rows] == list(ARMS)
    for arm, *cells in rows:
        for measure, cell in zip(headings[1:], cells, strict=True):
            score = held["scores"][arm].get(measure)
            if score is None:
                assert cell == "--", "an arm that only reads has no drawings"
                continue
            assert [float(x) for x in re.findall(r"\$(-?[\d.]+)\$", cell)] == [
                round(score[key], 3) for key in ("value", "low", "high")
            ]
    assert sum(cell == "--" for row in rows for cell in row) == 2


def test_differences_and_verdicts_are_those_of_the_json(report):
    text, held = report
    _, *rows = rows_of(text)[1]
    assert len(rows) == len(held["verdicts"]) == 2
    for row, verdict in zip(rows, held["verdicts"], strict=True):
        one = verdict["difference"]
        assert row[0] == verdict["comparison"] and row[2] == verdict["primary"] and row[7] == verdict["headline"]
        assert [float(x) for x in re.findall(r"\$([+-][\d.]+)\$", row[3] + row[4])] == [
            round(one[key], 3) for key in ("value", "low", "high")
        ]
        assert (int(row[5]), int(row[6])) == (one["n"], one["num_seeds"])
    assert "2 seeds" in text and check_tex(text) is None


def test_names_of_ones_own_cannot_break_it(tmp_path: Path):
    reading, drawing = (one.to_dict() for one in small_study().comparisons)
    study = small_study(title=NASTY, name="a_b 50%", comparisons=(reading | {"name": "[1] a_b & c"}, drawing))
    text, _ = written(tmp_path, study, Standing(missing=("seed_3 is not finished",)))
    check_tex(text)
    assert rows_of(text)[1][1][0] == r"{[}1] a\_b \& c" and r"Not finished: seed\_3 is not finished." in text
    assert r"\label{tab:a-b-50--arms}" in text


def test_what_was_not_measured_has_a_dash_and_no_interval(tmp_path: Path):
    reading, drawing = (one.to_dict() for one in small_study().comparisons)
    study = small_study(comparisons=(reading | {"primary": "reading/nothing/skill"}, drawing))
    text, held = written(tmp_path, study)
    check_tex(text)
    assert rows_of(text)[1][1][3:] == ["--", "--", "--", "--", "undecided: not measured"]
    assert held["verdicts"][0]["difference"] is None


def test_an_arrow_marks_what_is_better_when_lower(tmp_path: Path):
    reading, drawing = (one.to_dict() for one in small_study().comparisons)
    text, _ = written(tmp_path, small_study(comparisons=(reading | {"primary": "nll/answers/nats"}, drawing)))
    assert rows_of(text)[0][0][1] == r"nll/answers/nats $\downarrow$"


def test_every_special_letter_is_escaped_and_numbers_keep_their_sign():
    assert escaped("a_b") == r"a\_b" and escaped("\\") == r"\textbackslash{}"
    check_tex("\n" + escaped(NASTY + "−×±≤≥↓[") + "\n")
    assert (number(-0.0123, signed=True), number(0.5, signed=True), number(0.5)) == ("$-0.012$", "$+0.500$", "$0.500$")
    assert number(None) == number(float("nan")) == "--"
