"""Where a verdict holds: the size, pool, samples and horizon of a run, as one clause. It says nothing of any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bothways.core.config import read_yaml
from bothways.core.disk import read_json


def scope_of(run: Path) -> str:
    """E.g. "1,015,296 trained weights, 900 steps, 63,000 samples, pools of 12,000 pictures"; empty without a config. Weights
    are told where the run's ledger counts them."""
    path, ledger = run / "config.yaml", run / "ledger.json"
    if not path.exists():
        return ""
    config = read_yaml(path)
    taken = [one for one in config["data"]["sources"].values() if one["samples_per_step"]]
    steps = config["train"]["steps"]
    parameters = read_json(ledger).get("parameters") if ledger.exists() else None
    told = [f"{parameters:,} trained weights"] if parameters else []
    told += [f"{steps:,} steps", f"{steps * sum(one['samples_per_step'] for one in taken):,} samples", _pools(taken)]
    return ", ".join(told)


def _pools(sources: list[dict[str, Any]]) -> str:
    """One's own data are no pool of a world: they are what they are."""
    pools = sorted({one["num_pictures"] for one in sources if one.get("num_pictures")})
    told = [f"pools of {' and '.join(f'{pool:,}' for pool in pools)} pictures"] if pools else []
    told += ["fresh pictures"] if any(one.get("num_pictures") == 0 for one in sources) else []
    told += ["one's own data"] if any("num_pictures" not in one for one in sources) else []
    return " and ".join(told)
