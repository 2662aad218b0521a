"""Registered network architectures."""

from dlvr_plugin.archs.loss_net_arch import JointPass, LossNetT, load_loss_net

__all__ = ['JointPass', 'LossNetT', 'load_loss_net']
