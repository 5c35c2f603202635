"""Options of the whole suite."""

from __future__ import annotations

import pytest
from hypothesis import settings

# The same examples on every machine, and no failure because a machine is busy.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="rewrite the golden files; say why in the commit")


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--regenerate")
