"""What counts as a change of a registered plan."""

from __future__ import annotations

import json
from pathlib import Path

from studies import small_recipe, small_study

from bothways.study.plan import plan
from bothways.study.registration import amendments, register, registered


def test_a_key_younger_than_the_registration_is_no_amendment_and_a_value_is_one(tmp_path: Path) -> None:
    planned = plan(small_study(), small_recipe())
    register(planned, tmp_path)
    held = registered(tmp_path)
    del held["plan"]["study"]["tuned"]
    (tmp_path / "registration.json").write_text(json.dumps(held | {"hash": "of another version"}))
    register(planned, tmp_path)
    assert amendments(tmp_path) == []
    register(plan(small_study(claim="Another."), small_recipe()), tmp_path)
    [amended] = amendments(tmp_path)
    assert len(amended["changed"]) == 1 and amended["changed"][0].startswith("claim: ")
