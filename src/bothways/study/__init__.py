"""Studies: a question, arms that differ in one declared way, paired differences, a verdict that may be `undecided`."""
