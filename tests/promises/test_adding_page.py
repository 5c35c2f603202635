"""The study that docs/adding.md shows, written down as it stands there and run by the commands beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from conftest import changes

PAGE = Path(__file__).parents[2] / "docs" / "adding.md"
POOLS = {f"data.sources.watch/{kind}.num_pictures": 6 for kind in ("vqa", "caption", "draw")}
SMALL = ("--seeds", 1, *changes(**POOLS, **{"train.threads": 1}))


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """The page's file under the name that it gives itself."""
    [text] = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S) if block.startswith("# rate.yaml: ")]
    path = tmp_path / "rate.yaml"
    path.write_text(text)
    return path


def test_the_study_on_the_page_is_planned_run_and_reported_as_it_says(shown: Path, tmp_path: Path, told) -> None:
    first = shown.read_text().splitlines()[0]
    assert first == "# rate.yaml: bothways study plan rate.yaml, then bothways study run rate.yaml --out runs/rate"
    code, said, err = told("study", "plan", shown)
    assert code == 0, err
    for words in ("slow", "train.lr = 0.003", "all of 2: The lower rate reads both hands better.", "5 seeds (10 runs)"):
        assert words in " ".join(said.split())
    out = tmp_path / "runs" / "rate"
    code, said, err = told("study", "run", shown, "--out", out, *SMALL)
    assert code == 0 and "report.html" in said, err
    report = json.loads((out / "report.json").read_text())
    assert [one["comparison"] for one in report["verdicts"]] == ["hour", "minute"]
    [claim] = report["claims"]
    assert (claim["claim"], claim["label"]) == ("both-hands", "undecided") and "at least 5" in claim["sentence"]
    page = (out / "report.html").read_bytes()
    assert told("study", "report", out)[0] == 0 and (out / "report.html").read_bytes() == page
    assert claim["sentence"] in page.decode()
