"""The watch world: a disc with hands, a weather icon and a battery, after P1's data set (SmartWatch)."""
