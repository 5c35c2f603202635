"""Recipes: named, complete configs. Each is one YAML file whose header says command, hours, expected score and source."""

from pathlib import Path

FOLDER = Path(__file__).parent
