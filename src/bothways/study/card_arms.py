"""What the arms behind a synergy card are called; studies make them, the card finds them by these names."""

from __future__ import annotations

UNIFIED = "unified"  # the arm that does both
ALONE = "alone"  # the control that is no placebo


def swap_of(skill: str) -> str:
    """The arm that does both where two names are exchanged in the other task's texts and hidden from this skill's."""
    return f"{skill}-swap"


def at_labels(num: int) -> tuple[str, str]:
    """The arm that only reads and the arm that does both, where `num` pictures are read."""
    return f"reading-{ALONE}-{num}", f"{UNIFIED}-{num}"
