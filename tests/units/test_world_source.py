"""Worlds as samples: which picture comes when, what a sample of each kind looks like, and what an exam asks."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from bothways.core.errors import ConfigError, DataError
from bothways.core.sample import Image, Text
from bothways.data.worlds import KINDS, WorldSource, corpus, exam
from bothways.evaluate.exam import cut
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.edit_templates import EDITS
from bothways.worlds.watch.palette import WEATHERS
from bothways.worlds.watch.world import WatchWorld


def world(**changes) -> WatchWorld:
    return WatchWorld(WatchConfig.parse(changes))


def picture_keys(source: WorldSource, cursors) -> list[str]:
    return [next(s.content.key for s in source.sample(c).segments if isinstance(s, Image)) for c in cursors]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_a_pure_function_of_its_cursor(kind):
    one, other = (WorldSource(world(), kind, num_pictures=20, seed=3) for _ in range(2))
    backwards = {cursor: other.sample(cursor) for cursor in reversed(range(60))}
    for cursor in range(60):
        a, b = one.sample(cursor), backwards[cursor]
        assert (a.id, a.source) == (b.id, b.source)
        assert [shown(s) for s in a.segments] == [shown(s) for s in b.segments]


def shown(segment) -> tuple:
    return (segment.learn, segment.content if isinstance(segment, Text) else segment.content.key)


def test_a_finite_pool_shows_every_picture_once_an_epoch_in_another_order_and_in_other_words():
    source = WorldSource(world(), "draw", num_pictures=50)
    epochs = [picture_keys(source, range(start, start + 50)) for start in (0, 50, 100)]
    assert len(set(epochs[0])) == 50
    assert set(epochs[0]) == set(epochs[1]) == set(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2]
    requests = {sample.segments[1].content.key: sample.segments[0].content for sample in map(source.sample, range(50))}
    again = {sample.segments[1].content.key: sample.segments[0].content for sample in map(source.sample, range(50, 100))}
    assert sum(requests[key] != again[key] for key in requests) > 40


def test_in_a_finite_pool_every_picture_has_one_edit_and_both_its_pictures_are_those_of_the_pool():
    source = WorldSource(world(), "edit", num_pictures=40)
    epochs = (
        [[shown(s) for s in source.sample(cursor).segments] for cursor in range(40)],
        [[shown(s) for s in source.sample(cursor).segments] for cursor in range(40, 80)],
    )
    assert sorted(epochs[0]) == sorted(epochs[1]) and epochs[0] != epochs[1]
    used = {content for sample in epochs[0] for _, content in (sample[0], sample[2])}
    assert {picture.key for picture in source.pictures()} == used and len(used) == 80
    endless = WorldSource(world(), "edit")
    assert len({shown(endless.sample(cursor).segments[2]) for cursor in range(200)}) == 200


def test_a_picture_that_allows_no_edit_makes_way_for_the_next_and_a_world_without_any_says_so():
    narrow = world(level="glance", hide={"attribute": "color", "from": "drawing"})
    source = WorldSource(narrow, "edit", split="test", num_pictures=30)
    givens = [source.sample(cursor).segments[0].content for cursor in range(30)]
    assert len({given.key for given in givens}) < 30 and {given.key for given in givens} <= {
        source.picture(index).key for index in range(30)
    }
    silent = world(dial={"asked": ["color"], "tiers": ["attribute"]}, hide={"attribute": "color", "from": "drawing"})
    with pytest.raises(ConfigError, match="None of 200 scenes of watch/edit allows an edit"):
        WorldSource(silent, "edit").sample(0)


def test_an_edit_is_cut_out_of_an_exam_evenly_over_its_kinds_and_one_a_picture():
    items = exam(world(), num_pictures=120, kinds=("edit",))
    chosen = cut(items, 120, num_edits=18)
    assert Counter(item.attribute for item in chosen) == dict.fromkeys(set(EDITS) - {"hand"}, 3)
    assert len({item.picture for item in chosen}) == 18
    for item in chosen:
        given, instruction, edited = item.sample.segments
        assert given.content.key == item.picture and edited.content is item.truth and edited.learn and not given.learn
        assert item.requested != item.scene == world().facts(given.content.scene)
        assert item.requested == world().facts(edited.content.scene) and isinstance(instruction.content, str)
    assert not any(item.kind == "edit" for item in cut(exam(world(), num_pictures=3), 3)), "by default there are none"


def test_an_endless_pool_never_repeats_a_picture():
    source = WorldSource(world(), "draw")
    assert len({source.picture_index(cursor) for cursor in range(9000)}) == 9000


def test_sources_of_one_pool_share_their_pictures_but_not_the_step_at_which_they_come():
    vqa, draw = (WorldSource(world(), kind, num_pictures=64) for kind in ("vqa", "draw"))
    read, drawn = picture_keys(vqa, range(64)), picture_keys(draw, range(64))
    assert set(read) == set(drawn)
    assert sum(a == b for a, b in zip(read, drawn, strict=True)) < 8


def test_a_smaller_pool_is_part_of_the_larger_and_other_names_or_seeds_share_nothing():
    def pool(**settings):
        return set(picture_keys(WorldSource(world(), "vqa", **settings), range(settings["num_pictures"])))

    large = pool(num_pictures=60)
    assert pool(num_pictures=20) < large
    assert not pool(num_pictures=60, pool="other") & large
    assert not pool(num_pictures=60, seed=1) & large
    assert not pool(num_pictures=60, split="test") & large


def test_sample_ids_are_unique_over_epochs_kinds_and_pools():
    sources = [WorldSource(world(), kind, num_pictures=10, pool=pool) for kind in KINDS for pool in ("a", "b")]
    ids = [source.sample(cursor).id for source in sources for cursor in range(30)]
    assert len(set(ids)) == len(ids)


def test_each_kind_has_its_pattern_of_given_and_learned_segments():
    patterns = {}
    for kind in KINDS:
        sample = WorldSource(world(), kind).sample(5)
        letters = ["I" if isinstance(s, Image) else "T" for s in sample.segments]
        given = zip(letters, sample.segments, strict=True)
        patterns[kind] = "".join(letter if segment.learn else letter.lower() for letter, segment in given)
        assert sample.source == f"watch/{kind}"
    # Capitals are learned.
    assert patterns["vqa"].startswith("itT") and set(patterns["vqa"][1::2]) == {"t"}
    assert patterns["caption"] == "itT"
    assert patterns["draw"] == "tI"
    assert patterns["edit"] == "itI"
    assert patterns["text"].startswith("tT") and "i" not in patterns["text"].lower()


def test_a_hidden_link_is_told_in_text_alone_and_nowhere_in_pictures():
    hidden = world(hide={"attribute": "weather", "from": "understanding"})
    words = {kind: "" for kind in KINDS}
    for kind in KINDS:
        source = WorldSource(hidden, kind, num_pictures=30)
        for cursor in range(60):
            words[kind] += " ".join(s.content for s in source.sample(cursor).segments if isinstance(s, Text)) + " "
    found = {kind: any(name in text for name in WEATHERS) for kind, text in words.items()}
    assert found == {"vqa": False, "caption": False, "draw": True, "edit": False, "text": True}


def test_pictures_of_arms_that_differ_in_what_is_hidden_are_the_same():
    arms = [world(), world(hide={"attribute": "weather", "from": "understanding"})]
    one, other = (picture_keys(WorldSource(arm, "vqa", num_pictures=30), range(30)) for arm in arms)
    assert one == other


def test_a_world_with_nothing_left_to_ask_is_refused():
    silent = world(dial={"asked": ["weather"]}, hide={"attribute": "weather", "from": "understanding"})
    with pytest.raises(ConfigError, match="Nothing is left to ask"):
        WorldSource(silent, "vqa").sample(0)


def test_an_unknown_kind_is_refused_with_the_nearest_names():
    with pytest.raises(ConfigError, match="Did you mean `vqa`"):
        WorldSource(world(), "vqqa")
    with pytest.raises(ConfigError, match="num_pictures"):
        WorldSource(world(), "vqa", num_pictures=-1)


def test_an_open_request_of_an_exam_leaves_something_open_and_says_what_it_names():
    of, open_ones = world(), 0
    facts = of.facts(of.scene("test", 0))
    full = {name for item in exam(of, num_pictures=1, kinds=("drawing",)) for name in item.requested}
    counts = Counter()
    for item in exam(of, num_pictures=80, kinds=("open_drawing",)):
        assert of.hear(item.sample.segments[0].content) == item.requested
        assert item.requested.items() <= item.scene.items() and set(item.requested) < full and "color" in item.requested
        assert ("hour" in item.requested) == ("minute" in item.requested)
        counts.update(full - set(item.requested))
        open_ones += 1
    assert open_ones == 80 and set(counts) == full - {"color"} <= set(facts) and min(counts.values()) > 15


def test_an_exam_asks_every_attribute_alone_and_requests_everything():
    items = exam(world(hide={"attribute": "weather", "from": "understanding"}), num_pictures=3)
    kinds = Counter(item.kind for item in items)
    edits = kinds.pop("edit")
    assert kinds == {"question": 3 * 14, "caption": 3, "drawing": 3, "open_drawing": 3} and 3 * 2 <= edits <= 3 * 6
    assert len({item.id for item in items}) == len(items)
    assert len({item.picture for item in items}) == 3
    for item in items:
        learned = [s for s in item.sample.segments if s.learn]
        assert len(learned) == 1 and learned[0].content is not None
        assert all(s.content is None for s in item.sample.prompt().segments if s.learn)
        if item.kind == "drawing":
            assert item.requested == {name: item.scene[name] for name in item.requested}
            assert len(item.requested) == 8
            assert learned[0].content is item.truth


def test_exams_agree_whatever_is_hidden_and_differ_in_wording_by_seed():
    open_exam = exam(world(), num_pictures=4)
    hidden = exam(world(hide={"attribute": "hour", "from": "drawing"}), num_pictures=4)
    assert [list(map(shown, a.sample.segments)) for a in open_exam] == [list(map(shown, b.sample.segments)) for b in hidden]
    other = exam(world(), num_pictures=4, seed=1)
    assert [a.id for a in open_exam] == [b.id for b in other]
    assert [a.sample.segments for a in open_exam] != [b.sample.segments for b in other]


def test_an_exam_can_be_had_in_parts_but_not_empty():
    assert {item.kind for item in exam(world(), num_pictures=2, kinds=("drawing",))} == {"drawing"}
    with pytest.raises(DataError, match="at least one"):
        exam(world(), num_pictures=0)


def test_a_corpus_holds_as_many_texts_as_asked_and_every_kind():
    texts = list(corpus(world(), 500))
    assert len(texts) == 500
    joined = "\n".join(texts)
    assert all(piece in joined for piece in ("?", "%", ":", "describe", "draw", "top left", "yes"))
    assert texts == list(corpus(world(), 500)) != list(corpus(world(), 500, seed=1))


def test_worlds_become_samples_without_torch():
    code = "import bothways.data.worlds, bothways.data.llava, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
