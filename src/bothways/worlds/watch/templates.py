"""The wordings of the watch world: short, lower case, at least eight a kind.

Rules that the parser (`hear`) and the leak tests lean on:
- a question never holds a word that could be an answer (no "left", no "right", no colour, no weather name);
- a clause (a piece between commas, full stops and "and") that holds a corner speaks of the weather icon or of the
  battery, never of both, and names it;
- a battery level always carries its percent sign, a time its colons, a bare number its unit ("hour 7").
"""

from __future__ import annotations

QUESTIONS: dict[str, tuple[str, ...]] = {
    "weather": (
        "what is the weather?",
        "what weather does the watch show?",
        "which weather is it?",
        "how is the weather?",
        "what does the weather icon show?",
        "what weather is shown?",
        "name the weather.",
        "tell me the weather.",
        "what kind of weather is it?",
    ),
    "weather_corner": (
        "where is the weather icon?",
        "in which corner is the weather?",
        "which corner shows the weather?",
        "what corner is the weather icon in?",
        "where is the weather shown?",
        "name the corner of the weather icon.",
        "which corner has the weather icon?",
        "tell me where the weather is.",
        "find the corner with the weather.",
    ),
    "battery_corner": (
        "where is the battery?",
        "in which corner is the battery?",
        "which corner shows the battery?",
        "what corner is the battery in?",
        "where is the battery shown?",
        "name the corner of the battery.",
        "which corner has the battery?",
        "tell me where the battery is.",
        "find the corner with the battery.",
    ),
    "color": (
        "what color is the watch?",
        "which color is the face?",
        "what is the color of the watch?",
        "name the color of the watch.",
        "tell me the color.",
        "what color does the face have?",
        "which color does the watch have?",
        "how is the watch colored?",
        "what color is the disc?",
    ),
    "battery": (
        "what is the battery level?",
        "how full is the battery?",
        "how much battery is there?",
        "what percent is the battery at?",
        "what does the battery say?",
        "how charged is the battery?",
        "tell me the battery level.",
        "what level does the battery show?",
        "name the battery level.",
    ),
    "hour": (
        "what hour is it?",
        "which hour does the watch show?",
        "what is the hour?",
        "where does the hour hand point?",
        "which hour is shown?",
        "tell me the hour.",
        "name the hour.",
        "what does the hour hand say?",
        "at which hour is the hour hand?",
    ),
    "minute": (
        "what minute is it?",
        "which minute does the watch show?",
        "what is the minute?",
        "where does the minute hand point?",
        "which minute is shown?",
        "tell me the minute.",
        "name the minute.",
        "what does the minute hand say?",
        "at which minute is the minute hand?",
    ),
    "second": (
        "what second is it?",
        "which second does the watch show?",
        "what is the second?",
        "where does the second hand point?",
        "which second is shown?",
        "tell me the second.",
        "name the second.",
        "what does the second hand say?",
        "at which second is the second hand?",
    ),
    "time": (
        "what time is it?",
        "what is the time?",
        "which time does the watch show?",
        "what time is shown?",
        "tell me the time.",
        "read the time.",
        "what time does the watch say?",
        "what is the time on the watch?",
        "name the full time.",
    ),
    "minutes_to_hour": (
        "how many minutes to the next full hour?",
        "how many minutes until the next hour?",
        "in how many minutes is the hour full?",
        "how long until the next full hour?",
        "how many minutes before the next hour?",
        "count the minutes to the next hour.",
        "how many minutes complete the hour?",
        "the next hour is how many minutes off?",
    ),
    "battery_over_half": (
        "is the battery more than half full?",
        "is the battery over half?",
        "is the battery above half?",
        "has the battery more than half?",
        "is more than half the battery there?",
        "does the battery hold more than half?",
        "does the battery pass the half mark?",
        "is over half the battery charged?",
    ),
    "same_side": (
        "are weather and battery on the same side?",
        "are battery and weather on one side?",
        "do weather and battery share a side?",
        "do battery and weather share a side?",
        "does the battery share the weather's side?",
        "does the weather share the battery's side?",
        "is the battery on the weather's side?",
        "is the weather on the battery's side?",
    ),
    "weather_above_battery": (
        "is the weather above the battery?",
        "is the weather higher than the battery?",
        "is the weather icon above the battery?",
        "does the weather sit above the battery?",
        "does the weather stand over the battery?",
        "is the battery below the weather?",
        "is the battery lower than the weather?",
        "does the battery sit below the weather?",
    ),
    "hands_far_apart": (
        "are the hands over a quarter turn apart?",
        "do the hands open over a quarter turn?",
        "is the hand angle over a quarter turn?",
        "are hour and minute over a quarter apart?",
        "are hour and minute hands over a quarter apart?",
        "is the hour hand over a quarter from the minute hand?",
        "is the minute hand over a quarter from the hour hand?",
        "is the angle between hands over a quarter turn?",
    ),
}

CAPTION_PROMPTS: tuple[str, ...] = (
    "describe the watch.",
    "describe the picture.",
    "what does the picture show?",
    "what do you see?",
    "write a caption.",
    "caption this picture.",
    "tell me about the watch.",
    "say what is shown.",
    "give a short description.",
    "put the picture into words.",
)

# Openings of a caption, with and without a colour; {a_color} carries its article.
CAPTION_HEADS: tuple[str, ...] = (
    "{a_color} watch",
    "the watch is {color}",
    "this is {a_color} watch",
    "here is {a_color} watch",
    "i see {a_color} watch",
    "a watch, {color}",
    "a watch in {color}",
    "{color} watch",
    "the face is {color}",
)
PLAIN_CAPTION_HEADS: tuple[str, ...] = (
    "a watch",
    "this is a watch",
    "here is a watch",
    "i see a watch",
    "the watch",
    "one watch",
    "a watch face",
    "this watch",
)

# Openings of a drawing request.
REQUEST_HEADS: tuple[str, ...] = (
    "draw {a_color} watch",
    "make {a_color} watch",
    "paint {a_color} watch",
    "show me {a_color} watch",
    "create {a_color} watch",
    "sketch {a_color} watch",
    "please draw {a_color} watch",
    "draw a watch in {color}",
    "i want {a_color} watch",
    "draw a watch, {color}",
)
PLAIN_REQUEST_HEADS: tuple[str, ...] = (
    "draw a watch",
    "make a watch",
    "paint a watch",
    "show me a watch",
    "create a watch",
    "sketch a watch",
    "please draw a watch",
    "i want a watch",
)

# {time} is "07:35:12", or "07:35" where the second is not told.
TIME: tuple[str, ...] = (
    "{time}",
    "at {time}",
    "time {time}",
    "it is {time}",
    "showing {time}",
    "the time is {time}",
    "set to {time}",
    "it says {time}",
    "reading {time}",
)

# One hand told alone: {unit} is "hour", "minute" or "second".
HAND: tuple[str, ...] = (
    "{unit} {value}",
    "{unit} {value}",
    "{unit} hand at {value}",
    "{unit} is {value}",
    "the {unit} is {value}",
    "{unit} hand on {value}",
    "{unit} at {value}",
    "the {unit} hand is at {value}",
)

WEATHER: tuple[str, ...] = (
    "{weather}",
    "weather {weather}",
    "it is {weather}",
    "{weather} weather",
    "the weather is {weather}",
    "{weather} icon",
    "weather icon {weather}",
    "the weather icon is {weather}",
)
WEATHER_CORNER: tuple[str, ...] = (
    "weather {corner}",
    "weather icon {corner}",
    "weather at {corner}",
    "weather in the {corner}",
    "the weather is {corner}",
    "the weather icon is {corner}",
    "{corner} weather icon",
    "weather icon at the {corner}",
)
WEATHER_BOTH: tuple[str, ...] = (
    "{weather} {corner}",
    "weather {weather} {corner}",
    "{weather} weather {corner}",
    "{weather} in the {corner}",
    "{weather} icon {corner}",
    "{weather} at {corner}",
    "{corner} is {weather}",
    "{weather} weather in the {corner}",
)

BATTERY: tuple[str, ...] = (
    "battery {battery}%",
    "battery at {battery}%",
    "{battery}% battery",
    "the battery is at {battery}%",
    "battery level {battery}%",
    "battery is {battery}%",
    "{battery}% charged",
    "battery shows {battery}%",
)
BATTERY_CORNER: tuple[str, ...] = (
    "battery {corner}",
    "battery bar {corner}",
    "battery at {corner}",
    "battery in the {corner}",
    "the battery is {corner}",
    "the battery bar is {corner}",
    "{corner} battery",
    "battery at the {corner}",
)
BATTERY_BOTH: tuple[str, ...] = (
    "battery {battery}% {corner}",
    "{battery}% battery {corner}",
    "battery at {battery}% {corner}",
    "battery {corner} {battery}%",
    "battery {battery}% in the {corner}",
    "{corner} battery {battery}%",
    "{battery}% battery in the {corner}",
    "battery {battery}% at the {corner}",
)
