"""Scale, crops and lengths of samples against what the arch of the generator takes and gives."""

from dlvr_plugin.archs import NetworkSpec, spec_of
from dlvr_plugin.options.consistency.findings import Findings


def check_network_spec(findings: Findings) -> None:
    """Check the options around ``network_g`` by the spec of its arch; of one without a spec nothing is checked."""
    spec = spec_of(findings.get('network_g'))
    if spec is None:
        return
    scale = findings.get('scale')
    if isinstance(scale, int) and spec.scale not in (None, scale):
        findings.add(('scale',), f'must be {spec.scale}, the scale of network_g ({spec.arch}); got {scale}.')
        return
    _check_crop(findings, spec, spec.scale or scale or 1)
    num_frame = findings.get('datasets', 'train', 'num_frame')
    if isinstance(num_frame, int) and num_frame < spec.min_frames:
        findings.add(
            ('datasets', 'train', 'num_frame'),
            f'must be at least {spec.min_frames}, the shortest clip that network_g ({spec.arch}) takes; got '
            f'{num_frame}.',
        )


def _check_crop(findings: Findings, spec: NetworkSpec, scale: int) -> None:
    """Check that the crops of the training are of a size that the network takes; restored frames are padded to it."""
    key, gt_size = ('datasets', 'train', 'gt_size'), findings.get('datasets', 'train', 'gt_size')
    if not isinstance(gt_size, int) or not findings.is_sound(*key):
        return
    side = gt_size // scale
    if side < spec.smallest:
        findings.add(
            key,
            f'must be at least {spec.padded(1) * scale}, because {spec.arch} takes low-quality frames of '
            f'{spec.smallest} pixels and more; got {gt_size}, which makes {side}.',
        )
    elif side % spec.multiple:
        below = side // spec.multiple * spec.multiple
        choices = [str(each * scale) for each in (below, below + spec.multiple) if each >= spec.padded(1)]
        findings.add(
            key,
            f'must be a multiple of {spec.multiple * scale}, because {spec.arch} takes low-quality frames whose sides '
            f'are multiples of {spec.multiple}; got {gt_size}, which makes {side}. Use {" or ".join(choices)}.',
        )
