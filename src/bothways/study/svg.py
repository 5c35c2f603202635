"""The pieces that plots are made of, as SVG; the page's style sheet colours them by their class."""

from __future__ import annotations

from html import escape


def opening(width: float, height: float, what: str) -> str:
    """The opening tag of a plot; `what` is told to those who do not see it."""
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<svg {size} role="img" aria-label="{escape(what)}">'


def dot(x: float, y: float, radius: float, colour: str, title: str) -> str:
    """A point of an arm; its title appears when the pointer rests on it."""
    return f'<circle class="point {colour}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{escape(title)}</title></circle>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"/>'


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """Words at a point. `anchor`: start, middle or end of them lies there."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
