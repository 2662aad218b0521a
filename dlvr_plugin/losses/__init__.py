"""Losses: pure functions, and the registered classes over them."""

from dlvr_plugin.losses.adversarial_loss import GanType, discriminator_lead, discriminator_loss, generator_loss
from dlvr_plugin.losses.discriminative_space_loss import DiscriminativeSpaceLoss
from dlvr_plugin.losses.feature_matching import FeatureMatching, content_matching, relation_matching, total_loss
from dlvr_plugin.losses.huber_loss import HuberLoss, huber, huber_loss
from dlvr_plugin.losses.lpips_loss import LPIPSLoss
from dlvr_plugin.losses.random_shift import shift_at_random
from dlvr_plugin.losses.sequence_loss import SequenceLoss, add_up, sequence_loss

__all__ = [
    'DiscriminativeSpaceLoss',
    'FeatureMatching',
    'GanType',
    'HuberLoss',
    'LPIPSLoss',
    'SequenceLoss',
    'add_up',
    'content_matching',
    'discriminator_lead',
    'discriminator_loss',
    'generator_loss',
    'huber',
    'huber_loss',
    'relation_matching',
    'sequence_loss',
    'shift_at_random',
    'total_loss',
]
