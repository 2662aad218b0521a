"""Registered network architectures, and what they and the framework's take and give."""

from dlvr_plugin.archs import framework_specs  # noqa: F401  # says what the framework's archs are
from dlvr_plugin.archs.dbn_arch import DBN
from dlvr_plugin.archs.enhancenet_arch import EnhanceNet
from dlvr_plugin.archs.frnet_arch import FRNet
from dlvr_plugin.archs.loss_net_arch import JointPass, LossNetT
from dlvr_plugin.archs.spec import ArchSpec, NetworkSpec, register_spec, spec_of
from dlvr_plugin.archs.stfan_arch import STFAN
from dlvr_plugin.archs.strcnn_arch import STRCNN

__all__ = [
    'DBN',
    'STFAN',
    'STRCNN',
    'ArchSpec',
    'EnhanceNet',
    'FRNet',
    'JointPass',
    'LossNetT',
    'NetworkSpec',
    'register_spec',
    'spec_of',
]
