"""Objects are a set: which of those seen (or meant) is which of those wanted, whatever the order, and what is right then.

The assignment is one to one and the best there is: most objects right in all that is stated, then in kind, colour and place,
then in kind and colour, then in single facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bothways.worlds.shapes.scene import OF_AN_OBJECT

Object = Mapping[str, Any]
_KIND_AND_COLOR, _PLACED = ("kind", "color"), ("kind", "color", "place")


def assigned(wanted: Sequence[Object], seen: Sequence[Object]) -> list[Object | None]:
    """For each object wanted the one seen that it is held for, None where there are too few."""
    if not wanted or not seen:
        return [None] * len(wanted)
    from scipy.optimize import linear_sum_assignment

    worth = np.array([[_worth(one, other) for other in seen] for one in wanted])
    rows, columns = linear_sum_assignment(worth, maximize=True)
    pairs = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return [seen[pairs[at]] if at in pairs else None for at in range(len(wanted))]


def marks(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
    """What a drawing gets right of the objects that a request states.

    `drawn`: share of them drawn in kind and colour; `placed`: in kind, colour and place; `complete`: in all that was stated.
    Only where the request gives the number of shapes, too: `nothing_extra`, no shape more than that; `all_right`: everything,
    the ground included. A picture that cannot be read as shapes at all has 0 everywhere.
    """
    objects = wanted.get("objects") or []
    if not objects:
        return {}
    found = seen.get("objects")
    pairs = list(zip(objects, assigned(objects, found or []), strict=True))
    scores = {
        "drawn": _share(pairs, _KIND_AND_COLOR),
        "placed": _share(pairs, _PLACED),
        "complete": _share(pairs, OF_AN_OBJECT),
    }
    if "count" in wanted:
        scores["nothing_extra"] = float(found is not None and 0 < len(found) <= wanted["count"])
        whole = scores["complete"] == 1.0 and len(found or ()) == wanted["count"]
        scores["all_right"] = float(whole and seen.get("ground") == wanted.get("ground", seen.get("ground")))
    return scores


def claims(stated: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Single claims: `count`, `ground`, and `kind@top left` and the like for each fact of each object.

    An object is the one of `facts` that it fits best; what is left over is claimed of no place there is.
    """
    found = {name: value for name, value in stated.items() if name != "objects"}
    objects = stated.get("objects") or []
    meant = assigned(objects, facts.get("objects") or [])
    for number, (one, other) in enumerate(zip(objects, meant, strict=True)):
        where = other["place"] if other else f"nowhere {number}"
        found |= {f"{name}@{where}": value for name, value in one.items()}
    return found


def marks_of_edit(before: Mapping[str, Any], wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
    """`asked`: the places that the edit touches hold what they should, or nothing where it takes a shape away; `kept`: all
    other places and the ground are as they were, with no shape more and none less.

    Within a scene a place names a shape, so objects are compared place by place.
    """
    old, new, found = (_by_place(facts.get("objects")) for facts in (before, wanted, seen))
    touched = {place for place in old.keys() | new.keys() if old.get(place) != new.get(place)}
    others = (old.keys() | new.keys() | found.keys()) - touched
    readable = seen.get("objects") is not None
    return {
        "asked": float(readable and all(found.get(place) == new.get(place) for place in touched)),
        "kept": float(
            readable and seen.get("ground") == wanted["ground"] and all(found.get(place) == new.get(place) for place in others)
        ),
    }


def _by_place(objects: Sequence[Object] | None) -> dict[str, dict[str, Any]]:
    return {one["place"]: dict(one) for one in objects or ()}


def _worth(one: Object, other: Object) -> float:
    right = sum(other.get(name) == value for name, value in one.items())
    return (
        1000.0 * _holds(one, other, OF_AN_OBJECT)
        + 100.0 * _holds(one, other, _PLACED)
        + 10.0 * _holds(one, other, _KIND_AND_COLOR)
        + right
    )


def _holds(one: Object, other: Object, names: Sequence[str]) -> bool:
    """Whether `other` is as stated in those of the names that are stated of `one`."""
    return all(other.get(name) == one[name] for name in names if name in one)


def _share(pairs: Sequence[tuple[Object, Object | None]], names: Sequence[str]) -> float:
    return sum(other is not None and _holds(one, other, names) for one, other in pairs) / len(pairs)
