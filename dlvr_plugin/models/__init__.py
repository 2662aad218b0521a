"""Registered models, and the base class of those with a loss network T."""

from dlvr_plugin.models.adversarial_model import AdversarialModel
from dlvr_plugin.models.discriminative_space_model import DiscriminativeSpaceModel
from dlvr_plugin.models.frvsr_model import FRVSRModel
from dlvr_plugin.models.loss_network_model import LossNetworkModel

__all__ = ['AdversarialModel', 'DiscriminativeSpaceModel', 'FRVSRModel', 'LossNetworkModel']
