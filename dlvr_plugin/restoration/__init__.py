"""From a model and low-quality frames to restored frames, for validation, tests and commands."""
