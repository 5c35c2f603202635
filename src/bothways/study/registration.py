"""What was fixed before a study ran, by its hash; and what was changed afterwards.

    OUT/registration.json    the study, the hash of every run's resolved config, the code and the time; never changed
    OUT/amendments.json      a list: what differs from it since then, and when; absent where nothing does

The hash is over question, claim, expectation, axis, rule, seeds and the resolved config of every run. A study that is run again
with another plan is not refused, because plans must sometimes change; it is an amendment, and the report says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bothways.core.config import digest_of
from bothways.core.disk import read_json, write_json, writing
from bothways.core.errors import RunError
from bothways.core.provenance import provenance
from bothways.study.plan import Plan, flatten

REGISTRATION, AMENDMENTS = "registration.json", "amendments.json"


def digest_of_plan(planned: Plan) -> str:
    """Twelve hex digits that change when anything does that a result could depend on."""
    return digest_of(_plain(planned))


def register(planned: Plan, out: Path) -> str:
    """Writes the registration, or an amendment where another plan is registered; returns the hash of this plan.

    Raises: RunError when the folder holds another study, or the disk refuses.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    path, digest = out / REGISTRATION, digest_of_plan(planned)
    now = {"hash": digest, "when": datetime.now(UTC).isoformat(timespec="seconds"), "plan": _plain(planned)}
    if not path.exists():
        write_json(path, now | {"code": provenance()})
        return digest
    held = _read(path)
    theirs = held["plan"]["study"]["name"]
    if theirs != planned.study.name:
        raise RunError(f"{out} holds the study `{theirs}`, not `{planned.study.name}`; choose another --out.")
    last = (amendments(out) or [held])[-1]
    changed = _changed(last["plan"], now["plan"]) if last["hash"] != digest else []
    if changed:  # keys younger than the registration stand at their defaults and change nothing
        write_json(out / AMENDMENTS, [*amendments(out), now | {"changed": changed}])
    return digest


def registered(out: Path) -> dict[str, Any] | None:
    """The registration of a folder; None where nothing was registered. Raises: RunError when it is damaged."""
    path = out / REGISTRATION
    return _read(path) if path.exists() else None


def amendments(out: Path) -> list[dict[str, Any]]:
    """What was changed since, oldest first. Raises: RunError when the file is damaged."""
    path = out / AMENDMENTS
    held = read_json(path) if path.exists() else []
    if not isinstance(held, list):
        raise _damaged(path)
    for one in held:
        _check(path, one)
    return held


def _read(path: Path) -> dict[str, Any]:
    held = read_json(path)
    _check(path, held)
    return held


def _check(path: Path, held: Any) -> None:
    try:
        held["hash"], held["when"], held["plan"]["study"]["name"], held["plan"]["runs"]
    except (KeyError, TypeError):
        raise _damaged(path) from None


def _damaged(path: Path) -> RunError:
    return RunError(f"{path} holds no registered plan; restore it, or run the study in another --out.")


def _plain(planned: Plan) -> dict[str, Any]:
    runs = {arm: {str(seed): one.digest() for seed, one in seeds.items()} for arm, seeds in planned.configs.items()}
    return {"study": planned.study.to_dict(), "runs": runs}


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """`study.seeds: [0, 1] -> [0, 1, 2]`, a line a key of the study, and how many runs are others."""
    old, new = flatten(before["study"]), flatten(after["study"])
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    lines = [f"{key}: {_short(old.get(key))} -> {_short(new.get(key))}" for key in keys]
    was = {digest for seeds in before["runs"].values() for digest in seeds.values()}
    others = [digest for seeds in after["runs"].values() for digest in seeds.values() if digest not in was]
    return [*lines, *([f"{len(others)} runs that were not registered"] if others else [])]


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
