"""Studies that could not decide what they ask: each is refused when it is planned, in a sentence that says what would do."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_study_files import FILE, written

from bothways.core.errors import ConfigError

READING = FILE["comparisons"][0]
ARMS = [{"name": "drawing", "changes": {"data.sources.watch/vqa.samples_per_step": 0}}, {"name": "unified"}]
CLAIM = {"name": "both", "sentence": "It helps.", "kind": "all", "over": ["reading", "drawing"]}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"min_seeds": 1}, "min_seeds 1; support needs 5 seeds or more"),
        ({"verdict": "supported"}, "`verdict`. Known: arms"),
        ({"axis": ["data.sources", "data.sources.watch/draw"]}, "overlap; leave `data.sources.watch/draw` out"),
        ({"matching": "tokens"}, "matches tokens within 2%; no whole number of steps makes understanding meet it"),
        ({"matching": "money"}, "'own-task samples', 'image-text pairs', 'tokens', 'FLOPs' or 'none'"),
        ({"comparisons": [READING | {"primary": "reading/hands/skil"}]}, "Did you mean `reading/hands/skill`"),
        (
            {"base_world": "shapes", "arms": ARMS, "base_changes": {}, "matching": "none", "comparisons": [
                READING | {"control": "drawing", "primary": "drawing/hour/skill"}]},
            "has the source `watch/vqa`, and `vq-vq` is a recipe of the world shapes; give a base of the world watch",
        ),
        ({"claims": [CLAIM]}, "Unknown comparison or earlier claim in claim `both`: `drawing`"),
        ({"claims": [CLAIM | {"over": ["reading"]}]}, "give it 2 or more parts"),
        ({"claims": [CLAIM | {"kind": "falls", "over": ["reading"]}]}, "give it 3 or more parts"),
    ],
    ids=lambda value: next(iter(value), None) if isinstance(value, dict) else None,
)  # fmt: skip
def test_a_study_that_could_not_decide_is_refused_when_it_is_planned(more: dict, expected: str, tmp_path: Path, told) -> None:
    code, said, err = told("study", "plan", written(tmp_path, **more))
    assert (code, said) == (ConfigError.exit_code, "")
    assert expected in " ".join(err.split()) and "Traceback" not in err
