"""The wordings of the shapes world: short, lower case, at least eight a kind.

Rules that the parser (`hear`) and the leak tests lean on:
- a wording itself holds no kind, colour, size or place, but for the relations' own "left", "right", "above", "below";
- numbers are digits; the number of shapes stands right before the word "shape" or "shapes";
- a clause (a piece between commas, colons, full stops and "and") tells of one shape, or of the ground and the number;
- the ground has colours of its own, which no shape has.
"""

from __future__ import annotations

# {it}, {one}, {other}: a description with its article, "the red star"; {word} one kind or colour word, {more} and {fewer} two
# of them, {a_word} with article.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "count": (
        "how many shapes are there?",
        "how many shapes do you see?",
        "how many shapes does the picture show?",
        "count the shapes.",
        "what is the number of shapes?",
        "how many shapes are in the picture?",
        "tell me how many shapes there are.",
        "name the number of shapes.",
        "how many shapes are shown?",
    ),
    "ground": (
        "what color is the ground?",
        "which color is the ground?",
        "what is the color of the ground?",
        "name the color of the ground.",
        "tell me the color of the ground.",
        "what color lies behind the shapes?",
        "what color does the ground have?",
        "what color is the background?",
        "which color does the background have?",
    ),
    "kind": (
        "what shape is {it}?",
        "which shape is {it}?",
        "what kind of shape is {it}?",
        "what is {it}?",
        "name the shape of {it}.",
        "tell me what {it} is.",
        "what shape does {it} have?",
        "which kind of shape is {it}?",
        "what is the shape of {it}?",
    ),
    "color": (
        "what color is {it}?",
        "which color is {it}?",
        "what is the color of {it}?",
        "name the color of {it}.",
        "tell me the color of {it}.",
        "what color does {it} have?",
        "which color does {it} have?",
        "how is {it} colored?",
        "in what color is {it}?",
    ),
    "size": (
        "what size is {it}?",
        "which size is {it}?",
        "how big is {it}?",
        "what is the size of {it}?",
        "name the size of {it}.",
        "tell me the size of {it}.",
        "what size does {it} have?",
        "which size does {it} have?",
    ),
    "place": (
        "where is {it}?",
        "where do you see {it}?",
        "in which place is {it}?",
        "what place is {it} in?",
        "name the place of {it}.",
        "tell me where {it} is.",
        "find {it}.",
        "which place has {it}?",
        "where does {it} lie?",
    ),
    "count_of": (
        "how many {words} are there?",
        "how many {words} do you see?",
        "how many {words} does the picture show?",
        "count the {words}.",
        "what is the number of {words}?",
        "how many {words} are in the picture?",
        "tell me how many {words} there are.",
        "how many {words} are shown?",
    ),
    "exists": (
        "is there {a_word}?",
        "is there {a_word} in the picture?",
        "do you see {a_word}?",
        "can you see {a_word}?",
        "does the picture show {a_word}?",
        "does the picture have {a_word}?",
        "is {a_word} shown?",
        "is any shape {a_word}?",
    ),
    "more": (
        "are there more {more} than {fewer}?",
        "do you see more {more} than {fewer}?",
        "does the picture show more {more} than {fewer}?",
        "is the number of {more} above that of {fewer}?",
        "are there fewer {fewer} than {more}?",
        "do you see fewer {fewer} than {more}?",
        "does the picture show fewer {fewer} than {more}?",
        "do the {more} outnumber the {fewer}?",
    ),
    "larger": (
        "is {one} larger than {other}?",
        "is {one} bigger than {other}?",
        "is {other} smaller than {one}?",
        "does {one} exceed {other} in size?",
        "of the two, is {one} larger than {other}?",
        "is {one} of more size than {other}?",
        "is the size of {one} above that of {other}?",
        "is the size of {other} below that of {one}?",
    ),
    "same_color": (
        "do {one} and {other} have the same color?",
        "are {one} and {other} of the same color?",
        "do {one} and {other} share a color?",
        "are {one} and {other} of one color?",
        "is {one} of the same color as {other}?",
        "is {one} colored like {other}?",
        "does {one} have the color of {other}?",
        "does {one} share its color with {other}?",
    ),
    "same_kind": (
        "do {one} and {other} have the same shape?",
        "are {one} and {other} of the same kind?",
        "do {one} and {other} share a shape?",
        "are {one} and {other} of one kind?",
        "is {one} of the same kind as {other}?",
        "is {one} shaped like {other}?",
        "does {one} have the shape of {other}?",
        "does {one} share its shape with {other}?",
    ),
    "left_of": (
        "is {one} left of {other}?",
        "is {one} to the left of {other}?",
        "is {one} further left than {other}?",
        "does {one} lie left of {other}?",
        "is {other} right of {one}?",
        "is {other} to the right of {one}?",
        "is {other} further right than {one}?",
        "does {other} lie right of {one}?",
    ),
    "above": (
        "is {one} above {other}?",
        "is {one} higher than {other}?",
        "is {one} further up than {other}?",
        "does {one} lie above {other}?",
        "is {other} below {one}?",
        "is {other} lower than {one}?",
        "is {other} further down than {one}?",
        "does {other} lie below {one}?",
    ),
}

CAPTION_PROMPTS: tuple[str, ...] = (
    "describe the shapes.",
    "describe the picture.",
    "what does the picture show?",
    "what do you see?",
    "write a caption.",
    "caption this picture.",
    "tell me about the picture.",
    "say what is shown.",
    "give a short description.",
    "put the picture into words.",
)

# {shapes} is "3 shapes", "1 shape", or "shapes" where the number is not told.
CAPTION_HEADS: tuple[str, ...] = (
    "{shapes}",
    "i see {shapes}",
    "you see {shapes}",
    "a picture of {shapes}",
    "this shows {shapes}",
    "the picture shows {shapes}",
    "the picture has {shapes}",
    "a picture with {shapes}",
    "here we see {shapes}",
)
REQUEST_HEADS: tuple[str, ...] = (
    "draw {shapes}",
    "make {shapes}",
    "paint {shapes}",
    "show me {shapes}",
    "create {shapes}",
    "sketch {shapes}",
    "please draw {shapes}",
    "i want {shapes}",
    "draw a picture of {shapes}",
)

GROUND: tuple[str, ...] = (
    "on {ground}",
    "on {ground} ground",
    "on a {ground} ground",
    "with a {ground} ground",
    "the ground is {ground}",
    "{ground} ground",
    "a {ground} background",
    "the background is {ground}",
)

# {it} is "small red star", {an_it} with its article, {place} "top left", {at} "at the top left" or "in the middle".
OBJECT: tuple[str, ...] = (
    "{it}",
    "{an_it}",
    "one {it}",
    "with {an_it}",
    "there is {an_it}",
    "also {an_it}",
    "then {an_it}",
    "{an_it} too",
)
OBJECT_PLACED: tuple[str, ...] = (
    "{it} {place}",
    "{it} {at}",
    "{an_it} {place}",
    "{an_it} {at}",
    "{place} {it}",
    "{place} {an_it}",
    "{at} {an_it}",
    "{at} is {an_it}",
)

EDITS: dict[str, tuple[str, ...]] = {
    "add": (
        "add {an_it} {at}.",
        "draw {an_it} {at}.",
        "put {an_it} {at}.",
        "place {an_it} {at}.",
        "add {an_it}, {place}.",
        "{at} add {an_it}.",
        "please add {an_it} {at}.",
        "i want {an_it} {at} too.",
    ),
    "remove": (
        "remove {it}.",
        "take {it} away.",
        "delete {it}.",
        "erase {it}.",
        "take out {it}.",
        "get rid of {it}.",
        "please remove {it}.",
        "drop {it}.",
    ),
    "recolour": (
        "make {it} {color}.",
        "change {it} to {color}.",
        "paint {it} {color}.",
        "turn {it} {color}.",
        "color {it} {color}.",
        "recolor {it} {color}.",
        "let {it} be {color}.",
        "please make {it} {color}.",
    ),
    "move": (
        "move {it} to the {place}.",
        "put {it} {at}.",
        "shift {it} to the {place}.",
        "bring {it} to the {place}.",
        "take {it} to the {place}.",
        "let {it} go to the {place}.",
        "place {it} {at}.",
        "please move {it} to the {place}.",
    ),
}
