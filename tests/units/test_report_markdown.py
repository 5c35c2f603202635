"""report.md: the words of the report and its main numbers, in tables that hold together."""

from __future__ import annotations

import json
from pathlib import Path

from studies import ARMS, fake_run, small_recipe, small_study

from bothways.study.ledger import ArmLedger, Ledger
from bothways.study.plan import plan
from bothways.study.plots import signed
from bothways.study.report import Standing, write_report

RIGHT = {"understanding": {"hour": 0.4, "minute": 0.3}, "drawing": {"hour": 0.4, "minute": 0.3}, "unified": {"hour": 0.7}}


def written(folder: Path, **more) -> tuple[str, dict]:
    study = small_study(seeds=[0, 1], **more)
    runs = {arm: [fake_run(folder / f"{arm}-{seed}", RIGHT[arm], arm, seed, num=12) for seed in study.seeds] for arm in ARMS}
    standing = Standing(missing=("seed 2 is not finished",), registered="abc")
    ledger = Ledger(arms=dict.fromkeys(ARMS, ArmLedger()))
    write_report(study, runs, folder, ledger, plan=plan(study, small_recipe()), standing=standing)
    return (folder / "report.md").read_text(), json.loads((folder / "report.json").read_text())


def test_every_table_of_the_markdown_has_as_many_cells_in_each_row(tmp_path: Path):
    text, _ = written(tmp_path)
    tables = [part.strip().splitlines() for part in text.split("\n\n") if part.strip().startswith("|")]
    assert len(tables) == 3
    for table in tables:
        assert len({row.count("|") for row in table}) == 1 and set(table[1]) <= set("|-:")
    assert "\n\n\n" not in text and "seed 2 is not finished" in text and "`abc`" in text


def test_the_markdown_says_what_the_report_says(tmp_path: Path):
    text, told = written(tmp_path)
    for one in told["verdicts"]:
        assert one["sentence"] in text and one["headline"].capitalize() in text
        assert f"| {signed(one['difference']['value'])} |" in text
    assert told["rule"] in text
