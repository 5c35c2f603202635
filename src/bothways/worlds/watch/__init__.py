"""The watch world: a disc with hands, a weather icon and a battery, after P1's data set (SmartWatch).

`read(pixels)` reads a picture of the default world (`reader.read`); it is loaded when first asked for.
"""


def __getattr__(name: str):
    if name == "read":
        from bothways.worlds.watch.reader import read

        return read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
