"""What an edited watch gets right: the change that was asked for, and that all else stayed as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bothways.worlds.watch.palette import HANDS

COLOR_REACH = 0.15  # of each channel in [0, 1]: a disc whose colour was to stay may be so far off
_STAYS = ("weather", "weather_corner", "battery_corner")
_TIME = ("hour", "minute")


def marks_of_edit(before: Mapping[str, Any], wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
    """`asked`: every fact that differs between the two scenes reads as in the second, and where the time was changed, hour and
    minute both do. `kept`: weather, both corners and the disc's colour (each channel within `COLOR_REACH`) are as they were,
    but for what was asked for. Beside them, where the edit is about something else: `time_kept` (hour and minute),
    `battery_kept`.
    """
    asked = {name for name in wanted if name != "rgb" and _value(wanted, name) != _value(before, name)}
    if asked & set(_TIME):
        asked |= {name for name in _TIME if wanted[name] is not None}
    stays = all(_is_so(seen, wanted, name) for name in _STAYS if name not in asked)
    found = {
        "asked": float(all(_is_so(seen, wanted, name) for name in asked)),
        "kept": float(stays and ("color" in asked or _near(seen.get("rgb"), before["rgb"]))),
    }
    hands = [name for name in _TIME if before[name] is not None]
    if hands and not asked & set(HANDS):
        found["time_kept"] = float(all(_is_so(seen, before, name) for name in hands))
    if "battery" not in asked:
        found["battery_kept"] = float(_is_so(seen, before, "battery"))
    return found


def _is_so(seen: Mapping[str, Any], facts: Mapping[str, Any], name: str) -> bool:
    return seen.get(name) is not None and _value(seen, name) == _value(facts, name)


def _value(facts: Mapping[str, Any], name: str) -> Any:
    """Hour 12, which P1's scenes have, is hour 0."""
    value = facts[name]
    return value % 12 if name == "hour" and value is not None else value


def _near(seen: list[float] | None, before: list[float]) -> bool:
    return seen is not None and all(abs(a - b) <= COLOR_REACH for a, b in zip(seen, before, strict=True))
