"""Registered network architectures."""

from dlvr_plugin.archs.loss_net_arch import JointPass, LossNetT

__all__ = ['JointPass', 'LossNetT']
