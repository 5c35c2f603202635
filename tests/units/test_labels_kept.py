"""`hide.keep`: the labels of an attribute are there for so many pictures of a pool, and for no other."""

from __future__ import annotations

import pytest

from bothways.core.errors import ConfigError
from bothways.core.sample import Sample, Text
from bothways.data.worlds import WorldSource
from bothways.worlds.watch.config import WatchConfig

WEATHERS = ("sunny", "cloudy", "rainy")


def world(keep: int, task: str = "understanding", **more):
    hide = {"attribute": "weather", "from": task, "how": "link", "keep": keep}
    return WatchConfig.parse({"level": "glance", "hide": hide, **more}).build()


def labelled(source: WorldSource, num: int = 60, occasions: int = 8) -> set[int]:
    """The pictures whose weather is told in any of several wordings."""
    found = set()
    for index in range(num):
        for occasion in range(occasions):
            if any(weather in text for text in texts(source.about(index, f"@{occasion}")) for weather in WEATHERS):
                found.add(index)
    return found


def texts(sample: Sample) -> list[str]:
    return [segment.content for segment in sample.segments if isinstance(segment, Text)]


@pytest.mark.parametrize("keep", [0, 16])
@pytest.mark.parametrize("kind", ["vqa", "caption"])
def test_labels_are_kept_for_the_first_pictures_of_a_pool_alone(kind: str, keep: int):
    told = labelled(WorldSource(world(keep), kind, num_pictures=60))
    open_world = labelled(WorldSource(world(60), kind, num_pictures=60))
    assert told == {index for index in open_world if index < keep}
    assert len(open_world) > 50


def test_kept_pictures_are_spoken_of_as_if_nothing_were_hidden_and_the_other_task_is_untouched():
    hidden, plain = world(16), WatchConfig.parse({"level": "glance"}).build()
    for kind in ("vqa", "draw"):
        ours, theirs = WorldSource(hidden, kind, num_pictures=60), WorldSource(plain, kind, num_pictures=60)
        same = [texts(ours.about(index)) == texts(theirs.about(index)) for index in range(60)]
        assert all(same[:16]) and all(same) == (kind == "draw")


def test_an_exam_asks_for_the_hidden_attribute_of_every_picture():
    from bothways.data.worlds import exam

    asked = [item.attribute for item in exam(world(0), num_pictures=5, kinds=("question",))]
    assert asked.count("weather") == 5


def test_a_kept_label_of_a_hidden_value_is_refused():
    hide = {"attribute": "weather", "from": "understanding", "how": "value", "value": "sunny", "keep": 4}
    with pytest.raises(ConfigError, match="how: link only"):
        WatchConfig.parse({"hide": hide})
