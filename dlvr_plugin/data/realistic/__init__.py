"""Realistic degradations of clips for training: blur, resizing, noise, JPEG and video codecs, drawn at random."""

from dlvr_plugin.data.realistic.degradation import Chain, RealisticDegradation

__all__ = ['Chain', 'RealisticDegradation']
