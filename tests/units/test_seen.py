"""What a model sees of its samples, counted without torch: the numbers of the real stream, and of hand-made samples."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tiny
import unified_training
from bothways.core.sample import Sample, Text
from bothways.recipes import seen as counted
from bothways.recipes.assemble import build_model, stream_of
from bothways.recipes.seen import Seen, added, distinct_pictures, seen_in, seen_of, whole_run

PATTERNS = {  # pattern -> pairs, images, given views, learned views
    "reading": (1, 1, 1, 0),
    "drawing": (1, 1, 0, 1),
    "editing": (1, 2, 1, 1),
    "interleaved": (1, 2, 0, 2),
    "text alone": (0, 0, 0, 0),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pictures_and_pairs_of_a_sample_are_counted_once(pattern: str):
    model, sample = tiny.model(), tiny.sample(pattern)
    found = seen_in(sample, model.lay_out(sample))
    assert (found.pairs, found.images, found.given_images, found.learned_images) == PATTERNS[pattern]
    assert found.image == 9 * found.learned_images == found.drawn and found.given == 9 * found.given_images
    assert found.reads == found.tokens**2


def test_a_picture_without_a_word_is_no_pair():
    sample = Sample("silent", (Text(""), tiny.drawn(1)), "silent")
    assert seen_in(sample, tiny.model().lay_out(sample)).pairs == 0


def test_the_numbers_are_those_of_the_batches_that_the_stream_makes(monkeypatch: pytest.MonkeyPatch):
    recipe = unified_training.recipe(data__drop_condition=0.5, model__order="random")
    monkeypatch.setattr(counted, "NUM_SAMPLES", 12)  # four steps of 3, three of 4, twelve of 1
    model = build_model(recipe)
    stream = stream_of(recipe, recipe.world.build(), model)
    batches = [batch for step in range(12) for batch in stream.batches(step)]
    for source, per_step in (("watch/vqa", 3), ("watch/caption", 1), ("watch/draw", 4)):
        rows = [(batch, row) for batch in batches for row, name in enumerate(batch.sources) if name == source][:12]
        tokens = [int((~batch.is_padding[row]).sum()) for batch, row in rows]
        predicted = sum(int((batch.duty[row] == 2).sum()) for batch, row in rows)
        found = seen_of(recipe)[source]
        assert found.tokens == pytest.approx(sum(tokens) / 12) and found.image == pytest.approx(predicted / 12), per_step
        assert found.reads == pytest.approx(sum(length**2 for length in tokens) / 12)


def test_a_whole_run_is_every_sample_of_every_step_and_idle_sources_are_left_out():
    recipe = unified_training.recipe(data__sources={"watch/vqa": {"samples_per_step": 0}})
    run = whole_run(recipe, seen_of(recipe))
    assert set(run) == {"watch/caption", "watch/draw"}
    assert run["watch/draw"].samples == 4 * unified_training.STEPS == run["watch/draw"].pairs


def test_pictures_are_encoded_once_a_pool_however_many_samples_and_sources_show_them():
    recipe = unified_training.recipe(
        data__sources={
            "watch/draw": {"num_pictures": 20},
            "watch/caption": {"num_pictures": 0, "pool": "other"},
            "watch/edit": {"samples_per_step": 1, "num_pictures": 1000},
        }
    )
    found = distinct_pictures(recipe, whole_run(recipe, seen_of(recipe)))
    assert found["given"] == {"shared": 24, "other": 24}, "ten pictures of questions, and those of 24 edits among them"
    assert found["learned"] == {"shared": 20, "shared, edited": 24}


def test_numbers_add_up_and_scale():
    assert added([Seen(samples=1, tokens=3), Seen(samples=2, tokens=5)]) * 2 == Seen(samples=6, tokens=16)


def test_counting_what_is_seen_imports_no_torch():
    code = "import sys, bothways.recipes.seen, bothways.study.budget; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
