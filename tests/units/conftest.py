"""What several units are tried on."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two steps, to be copied before anything is written into it."""
    from bothways.recipes import assemble
    from unified_training import recipe

    out = tmp_path_factory.mktemp("runs") / "tiny"
    assemble.train(recipe(train__steps=2, train__milestones=0), out)
    return out
