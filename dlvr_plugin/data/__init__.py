"""Registered datasets, degradations, and the clips of the demo."""

from dlvr_plugin.data.clip_dataset import ClipDataset
from dlvr_plugin.data.degradations import bicubic_downsample

__all__ = ['ClipDataset', 'bicubic_downsample']
