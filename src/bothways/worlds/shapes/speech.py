"""How much is said about shapes: turns, shares and chances of every kind of text."""

from __future__ import annotations

from pydantic import Field

from bothways.core.config import Config


class Speech(Config):
    """Proportions of the texts."""

    num_turns: int = Field(3, ge=1, description="most questions about one picture")
    further_turns: float = Field(1.0, ge=0, le=1, description="chance of each turn after the first")
    two_facts: float = Field(0.4, ge=0, le=1, description="chance that a turn asks for more than one fact")
    ground: float = Field(0.3, ge=0, le=1, description="chance that a turn may ask for the ground")
    names_all: float = Field(0.6, ge=0, le=1, description="chance that a caption or request names all it may")
    mention: float = Field(0.7, ge=0, le=1, description="chance that one that does not names a shape, or a fact of a shape")
