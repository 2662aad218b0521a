"""Measures of restored clips."""

from dlvr_plugin.metrics.clip_quality import ClipQuality, measure_clip

__all__ = ['ClipQuality', 'measure_clip']
