"""Realistic degradations of clips for training: blur, resizing, noise, JPEG and video codecs, drawn at random."""
