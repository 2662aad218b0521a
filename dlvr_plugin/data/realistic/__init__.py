"""Degradations as cameras, codecs and uploads make them."""
