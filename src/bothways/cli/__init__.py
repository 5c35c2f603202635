"""The command line: the only place that prints, parses arguments or reads the environment."""
