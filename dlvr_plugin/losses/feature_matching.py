"""Content and relation matching: the generator's losses in the discriminative space.

Shape legend: B batch, T frames of ground truth, K generated frames, N temporal radius, C, h, w of a feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dlvr_plugin.core.arguments import check_choice, check_integer, check_layers, check_number
from dlvr_plugin.losses.huber_loss import huber, huber_loss

RelationDistance = Literal['elementwise', 'mean']


def content_matching(generated: Tensor, ground_truth: Tensor, *, delta: float = 0.01) -> Tensor:
    """Return how far the features of generated frames are from those of the ground truth.

    Args:
        generated: One layer's features of the generated frames, (..., C, h, w).
        ground_truth: The same layer's features of the ground truth of these frames, the same shape.
        delta: Threshold of the Huber distance.

    Returns:
        A scalar, at least 0.

    Source: Equation 2 of the paper.
    """
    return huber_loss(generated, ground_truth, delta=delta)


def relation_matching(
    generated: Tensor,
    ground_truth: Tensor,
    neighbour: Tensor,
    *,
    delta: float = 0.01,
    relation_distance: RelationDistance = 'elementwise',
) -> Tensor:
    """Return how far the relation of generated frames to a neighbour is from that of the ground truth.

    The relation of a frame X_t to the true frame at t + n is the Huber distance of their features.

    Args:
        generated: One layer's features of the generated frames, (..., C, h, w).
        ground_truth: The same layer's features of the ground truth of these frames, the same shape.
        neighbour: The same layer's features of the ground truth n frames further, the same shape.
        delta: Threshold of every Huber distance.
        relation_distance: 'elementwise' takes the relation as a map, 'mean' as one number a frame.

    Returns:
        A scalar, at least 0.

    Source: Equation 4 of the paper.
    """
    gen_relation = huber(generated, neighbour, delta)
    gt_relation = huber(ground_truth, neighbour, delta)
    if relation_distance == 'mean':
        gen_relation, gt_relation = gen_relation.mean((-3, -2, -1)), gt_relation.mean((-3, -2, -1))
    return huber_loss(gen_relation, gt_relation, delta=delta)


def total_loss(content: Tensor, relation: Tensor | None = None) -> Tensor:
    """Return the sum of the weighted terms that there are; the host adds the pixel loss.

    Args:
        content: Content loss, a scalar.
        relation: Relation loss, a scalar; None without a window.

    Returns:
        A scalar.

    Source: Equation 6 of the paper, without the pixel term.
    """
    return content if relation is None else torch.stack((content, relation)).sum()


@dataclass(frozen=True, kw_only=True)
class FeatureMatching:
    """The generator's losses in the discriminative space, over layers and neighbours.

    Attributes:
        content_weight: Factor of the content loss, at least 0.
        relation_weight: Factor of the relation loss, at least 0.
        layers: Layers of F that count, from 1; the means are taken over these.
        delta: Threshold of every Huber distance, above 0.
        radius: Temporal radius N, at least 0; with 0 there is no relation loss.
        relation_distance: 'elementwise' or 'mean', see ``relation_matching``.
        num_layers: Layers that F has.

    Raises:
        ValueError: A value out of range. TypeError: not a number.

    Source: Equation 6 of the paper, without the pixel term.
    """

    content_weight: float = 1.0
    relation_weight: float = 1.0
    layers: Sequence[int] = (1, 2, 3, 4)
    delta: float = 0.01
    radius: int = 1
    relation_distance: RelationDistance = 'elementwise'
    num_layers: int = 4

    def __post_init__(self) -> None:
        check_number('content_weight', self.content_weight, minimum=0)
        check_number('relation_weight', self.relation_weight, minimum=0)
        check_number('delta', self.delta, above=0)
        check_integer('radius', self.radius, minimum=0)
        check_choice('relation_distance', self.relation_distance, RelationDistance)
        check_layers('layers', self.layers, self.num_layers)

    def __call__(self, gen_features: Sequence[Tensor], gt_features: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Compute both losses, weighted.

        Only the features of the restored frames, the T - 2N in the middle, get a gradient.

        Args:
            gen_features: J features of the generated frames, (B, K, C, h, w), K = T - 2N or T.
            gt_features: J features of the ground truth, (B, T, C, h, w).

        Returns:
            The content loss and the relation loss; the latter None where the radius is 0.
        """
        contents, relations = [], []
        for layer in self.layers:
            gt = gt_features[layer - 1].detach()
            restored = gt.shape[1] - 2 * self.radius
            skipped = (gen_features[layer - 1].shape[1] - restored) // 2
            generated = gen_features[layer - 1][:, skipped : skipped + restored]
            middle = gt[:, self.radius : self.radius + restored]
            contents.append(content_matching(generated, middle, delta=self.delta))
            for offset in range(2 * self.radius + 1):
                if offset != self.radius:
                    neighbour = gt[:, offset : offset + restored]
                    relations.append(
                        relation_matching(
                            generated, middle, neighbour, delta=self.delta, relation_distance=self.relation_distance
                        )
                    )
        content = self.content_weight * torch.stack(contents).mean()
        relation = self.relation_weight * torch.stack(relations).mean() if relations else None
        return content, relation
