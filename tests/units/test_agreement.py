"""Agreement of the two readers: counted per attribute, told in reports, and part of no score."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies import fake_run, small_study
from test_report import ledger

from bothways.core.config import Config
from bothways.core.randomness import shuffled
from bothways.data.worlds import exam
from bothways.evaluate.agreement import compared, why_none
from bothways.evaluate.answers import Exam, read_answers, rebuilt_id, write_answers
from bothways.evaluate.exam import SCALES, cut
from bothways.evaluate.harness import answer
from bothways.evaluate.mark import mark
from bothways.evaluate.scores import read_items
from bothways.recipes.recipe import load_recipe
from bothways.study.report import write_report
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.watch.config import WatchConfig
