"""Data: worlds and files as samples, mixtures of sources, batches as a pure function of the step."""
