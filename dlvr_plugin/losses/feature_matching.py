"""Content and relation matching: the generator's losses in the discriminative space.

Shape legend: B batch, T frames of ground truth, K generated frames, N temporal radius, C, h, w of a feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from dlvr_plugin.core.declarations import NOT_EMPTY, NOT_NEGATIVE, POSITIVE, NoOption, check_fields
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.losses.huber_loss import Delta, Weight, huber, huber_loss

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
        content_weight: Weight of the content loss.
        relation_weight: Weight of the relation loss.
        layers: Layers of F that count, from 1; the means are taken over these. By default all.
        delta: Threshold of every Huber distance.
        radius: Temporal radius N; the window has 2N + 1 frames. With 0 there is no relation loss.
        relation_distance: 'elementwise' takes the relation as a map, 'mean' as one number a frame and layer.
        num_layers: Layers that F has.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.

    Source: Equation 6 of the paper, without the pixel term.
    """

    content_weight: Weight = 1.0
    relation_weight: Weight = 1.0
    layers: Annotated[Sequence[Annotated[int, POSITIVE]], NOT_EMPTY] = (1, 2, 3, 4)
    delta: Delta = 0.01
    radius: Annotated[int, NOT_NEGATIVE] = 1
    relation_distance: RelationDistance = 'elementwise'
    num_layers: Annotated[int, POSITIVE, NoOption()] = 4

    def __post_init__(self) -> None:
        self._check_layers()
        check_fields(self)

    def _check_layers(self) -> None:
        """Demand layers that F has."""
        layers, known = self.layers, range(1, self.num_layers + 1)
        if isinstance(layers, (str, int)) or not layers or len(set(layers)) != len(layers) or set(layers) - set(known):
            raise InvalidValueError(f'layers must be some of the layers {list(known)}, each once, got {layers!r}.')

    def __call__(
        self, gen_features: Sequence[Tensor], gt_features: Sequence[Tensor], *, edge_frames: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Compute both losses, weighted.

        The content loss is a mean over layers and frames, the relation loss one over layers and pairs of a frame and a
        true neighbour. All pairs count the same, so that a frame with fewer neighbours has less of the relation loss.

        Args:
            gen_features: J features of the generated frames, (B, K, C, h, w), K = T - 2N or T.
            gt_features: J features of the ground truth, (B, T, C, h, w).
            edge_frames: Whether all T frames count, those near an end with the neighbours that they have, which takes
                K = T. Otherwise those with a full window do, the T - 2N in the middle; no other gets a gradient.

        Returns:
            The content loss and the relation loss; the latter None where the radius is 0.

        Raises:
            InvalidValueError: Fewer generated frames than count.
        """
        num_frame, num_gen = gt_features[0].shape[1], gen_features[0].shape[1]
        first = 0 if edge_frames else self.radius
        last = num_frame - first
        if num_gen < last - first:
            raise InvalidValueError(
                f'With radius {self.radius}, {num_frame} ground-truth frames and edge_frames {edge_frames}, '
                f'{last - first} generated frames count, got {num_gen}.'
            )
        skipped = (num_gen - (last - first)) // 2
        offsets = [offset for offset in range(-self.radius, self.radius + 1) if offset != 0]
        spans = [(max(first, -offset), min(last, num_frame - offset)) for offset in offsets]  # the neighbour exists
        num_pairs = sum(end - begin for begin, end in spans)
        contents, relations = [], []
        for layer in self.layers:
            gt = gt_features[layer - 1].detach()
            generated = gen_features[layer - 1][:, skipped : skipped + last - first]
            contents.append(content_matching(generated, gt[:, first:last], delta=self.delta))
            for offset, (begin, end) in zip(offsets, spans, strict=True):
                matched = relation_matching(
                    generated[:, begin - first : end - first],
                    gt[:, begin:end],
                    gt[:, begin + offset : end + offset],
                    delta=self.delta,
                    relation_distance=self.relation_distance,
                )
                relations.append((end - begin) * len(offsets) / num_pairs * matched)  # matched is a mean of its pairs
        content = self.content_weight * torch.stack(contents).mean()
        relation = self.relation_weight * torch.stack(relations).mean() if relations else None
        return content, relation
