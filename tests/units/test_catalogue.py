"""Catalogues: names to classes, nothing imported before it is asked for, a near miss answered with what was meant."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bothways.core.catalogue import Catalogue
from bothways.core.errors import ConfigError, nearest, unknown

FRUIT = Catalogue("fruit", {"apple": "fractions:Fraction", "broken": "no_such_module:Thing"})


def test_a_name_and_a_full_path_give_the_class():
    from decimal import Decimal
    from fractions import Fraction

    assert FRUIT.load("apple") is Fraction
    assert FRUIT.load("decimal:Decimal") is Decimal
    assert list(FRUIT) == ["apple", "broken"] and "apple" in FRUIT and "decimal:Decimal" not in FRUIT


def test_an_unknown_name_is_answered_with_the_nearest_and_all():
    with pytest.raises(ConfigError, match=r"Unknown fruit `aple`\. Did you mean `apple`\? Known: apple, broken\."):
        FRUIT.load("aple")
    with pytest.raises(ConfigError, match=r"Unknown fruit `xyz`\. Known: apple, broken\."):
        FRUIT.load("xyz")


@pytest.mark.parametrize("path", ["no_such_module:Thing", "decimal:NoSuchClass"])
def test_a_path_that_cannot_be_imported_is_the_users_error(path: str):
    with pytest.raises(ConfigError, match=rf"The fruit `{path}` cannot be imported .* `package\.module:Class`"):
        FRUIT.load(path)


def test_a_catalogue_line_that_cannot_be_imported_is_ours():
    with pytest.raises(ModuleNotFoundError):
        FRUIT.load("broken")


def test_nearest_names_come_best_first_and_only_where_close():
    assert nearest("understandin", ["drawing", "text", "understanding"])[0] == "understanding"
    assert nearest("zzz", ["understanding"]) == []
    assert unknown("key", "lr", []) == "Unknown key `lr`. Known: ."


def test_reading_configs_imports_neither_torch_nor_transformers():
    code = (
        "import sys\n"
        "from bothways.recipes.read import names\n"
        "from bothways.recipes.recipe import load_recipe\n"
        "print([load_recipe(name).name for name in names()])\n"
        "print([room for room in ('torch', 'transformers') if room in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    recipes, heavy = done.stdout.splitlines()
    assert "vq-vq" in recipes and heavy == "[]"
