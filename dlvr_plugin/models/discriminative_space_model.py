"""A model that trains a generator G in the space that the loss network T learns, over any model of the host."""

from dataclasses import replace

from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor

from dlvr_plugin.archs import JointPass
from dlvr_plugin.losses import SequenceLoss, sequence_loss
from dlvr_plugin.models.discriminative_space_options import DiscriminativeSpaceOptions
from dlvr_plugin.models.loss_network_model import LossNetworkModel


@MODEL_REGISTRY.register()
class DiscriminativeSpaceModel(LossNetworkModel):
    """Trains G by content and relation matching in T's space; T learns to tell real from fake sequences.

    G never sees T's verdict. With ``edge_frames`` a recurrent G learns from all frames of a sample, and T still from
    those with a full window. All else is in the base class.

    Source: Sections 3.1 and 3.2 of the paper; equations 1 to 6.
    """

    Options = DiscriminativeSpaceOptions
    without_window = 'No relation loss'

    options: DiscriminativeSpaceOptions

    def losses_of_g(self, joint: JointPass) -> dict[str, Tensor]:
        """Return content and relation loss; the latter is missing without a window."""
        matching = self.options.matching
        if self.radius != matching.radius:
            matching = replace(matching, radius=self.radius)
        content, relation = matching(joint.gen_features, joint.gt_features, edge_frames=self.options.edge_frames)
        return {'l_g_content': content} | ({} if relation is None else {'l_g_relation': relation})

    def frames_for_t(self, frames: Tensor) -> Tensor:
        """Return the restored frames that get a gradient from T: all of a clip with ``edge_frames``."""
        return frames if self.options.edge_frames else super().frames_for_t(frames)

    def loss_of_t(self, joint: JointPass) -> SequenceLoss:
        """Return the cross-entropy of real and fake sequences."""
        return sequence_loss(joint.real_logits, joint.fake_logits)
