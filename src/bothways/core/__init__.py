"""The nouns that every other room speaks: samples, specs, configs, errors, named randomness, run folders. No torch."""
