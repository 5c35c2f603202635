"""How much is said about a watch: turns, shares and chances of every kind of text."""

from __future__ import annotations

from pydantic import Field

from bothways.core.config import Config


class Speech(Config):
    """Proportions of the texts. The defaults are the house's own; `P1` holds those of P1's generator."""

    num_turns: int = Field(4, ge=1, description="most questions about one picture")
    further_turns: float = Field(1.0, ge=0, le=1, description="chance of each turn after the first (P1: 0.4)")
    two_facts: float = Field(0.2, ge=0, le=1, description="chance that a turn asks for two facts, where both tiers are asked")
    where: float | None = Field(None, ge=0, le=1, description="chance of a corner question; None: as any other attribute")
    mention: float = Field(0.7, ge=0, le=1, description="chance that a caption or request names an attribute")
    names_all: float = Field(0.3, ge=0, le=1, description="chance that a caption or request names all it may")
    spelled_time: float = Field(0.2, ge=0, le=1, description='chance of "hour 7, minute 35" instead of "07:35"')
    spoken_time: float = Field(0.3, ge=0, le=1, description='chance of "ten past four" instead of "04:10" in an edit')
    time_always: bool = Field(False, description="requests name the time always, as captions do")
    single_hands: bool = Field(True, description="hour, minute and second are asked alone too, not only as the time")


# Source: P1's generator (seeds 1.2). "What" (weather, time or battery) with probability 0.6, "where" (one of the two
# corners) with 0.4; one turn and three more, each with 0.4; the time in every caption and prompt, the rest with 0.5.
# Deviation: no attribute is asked twice about one picture, so nothing can be copied from an earlier answer.
P1 = Speech(
    num_turns=4,
    further_turns=0.4,
    two_facts=0.0,
    where=0.4,
    mention=0.5,
    names_all=0.0,
    spelled_time=0.0,
    time_always=True,
    single_hands=False,
)
