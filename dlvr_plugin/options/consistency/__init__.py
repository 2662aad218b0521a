"""Checks of what the description of single options cannot say: options together, and the files that they name."""
