"""Registered network architectures, and what they and the framework's take and give."""

from dlvr_plugin.archs import framework_specs  # noqa: F401  # says what the framework's archs are
from dlvr_plugin.archs.loss_net_arch import JointPass, LossNetT
from dlvr_plugin.archs.spec import ArchSpec, NetworkSpec, register_spec, spec_of

__all__ = ['ArchSpec', 'JointPass', 'LossNetT', 'NetworkSpec', 'register_spec', 'spec_of']
