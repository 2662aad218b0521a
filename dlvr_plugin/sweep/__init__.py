"""Sweeps: many training runs out of one file, measured alike, and what comes of comparing them."""
