"""Options of the whole suite and a run to be measured. It must be imported before `bothways` is, which pytest sees to."""

from __future__ import annotations

import sys
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import settings

# Shapes and dtypes in signatures are checked wherever tensors change hands. Configs are left out: pydantic checks them, and
# the types of parts in their signatures are imported only when a part is built.
SOURCE = Path(__file__).parent.parent / "src"
CHECKED = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for room in ("vision", "backbones", "heads", "model", "generate")
    for path in sorted((SOURCE / "bothways" / room).glob("*.py"))
    if path.name != "__init__.py" and not path.name.endswith(("config.py", "configs.py"))
]
assert not set(CHECKED) & set(sys.modules), "bothways was imported before the shape checks were installed"
jaxtyping.install_import_hook(CHECKED, "beartype.beartype")

# The same examples on every machine, and no failure because a machine is busy.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="rewrite the golden files; say why in the commit")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests run only when they are asked for: `pytest -m slow`."""
    if "slow" not in config.getoption("markexpr"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="minutes; run with -m slow"))


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--regenerate")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Sums in the same order on every machine, and workers that do not fight for cores."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two steps, to be copied before anything is written into it."""
    from bothways.recipes import assemble
    from unified_training import recipe

    out = tmp_path_factory.mktemp("runs") / "tiny"
    assemble.train(recipe(train__steps=2, train__milestones=0), out)
    return out
