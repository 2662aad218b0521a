"""Resume from the newest complete checkpoint, on any device, from any folder, with frozen parts still frozen."""

from collections.abc import Callable
from typing import Any

from basicsr import train
from basicsr.models.edvr_model import EDVRModel
from basicsr.models.video_recurrent_gan_model import VideoRecurrentGANModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel

from dlvr_plugin.core.training_states import load_resume_state
from dlvr_plugin.host.repair import Repair


def _is_of_flow(name: str) -> bool:
    """Tell what recurrent models freeze for their first iterations."""
    return 'spynet' in name or 'edvr' in name


def _keep_frozen(last_iter: str, is_frozen: Callable[[str], bool]) -> Callable[[Callable[..., Any]], Any]:
    """Return what builds a step that freezes again what the model's first iteration had frozen.

    Args:
        last_iter: Attribute of the model that says until which iteration.
        is_frozen: Tells by the name of a parameter.
    """

    def build(host_optimize_parameters: Callable[..., Any]) -> Callable[..., Any]:
        def optimize_parameters(self: Any, current_iter: int) -> None:
            first, self._has_stepped = not getattr(self, '_has_stepped', False), True
            if first and 1 < current_iter < (getattr(self, last_iter) or 0):
                for name, parameter in self.net_g.named_parameters():
                    if is_frozen(name):
                        parameter.requires_grad_(False)
            host_optimize_parameters(self, current_iter)

        return optimize_parameters

    return build


REPAIRS = (
    Repair(
        defect='resuming needs a CUDA device, and automatic resuming looks below the current folder, at any file',
        owner=train,
        name='load_resume_state',
        source='9f0a2c11735b9809',
        build=lambda host_load_resume_state: load_resume_state,
    ),
    Repair(
        defect='EDVR forgets on resuming that all but its fusion is frozen',
        owner=EDVRModel,
        name='optimize_parameters',
        source='136a5691a8d369d7',
        build=_keep_frozen('train_tsa_iter', lambda name: 'fusion' not in name),
    ),
    Repair(
        defect='recurrent models forget on resuming that their flow network is frozen',
        owner=VideoRecurrentModel,
        name='optimize_parameters',
        source='8a4f23e6f5540d5c',
        build=_keep_frozen('fix_flow_iter', _is_of_flow),
    ),
    Repair(
        defect='recurrent models with a discriminator forget on resuming that their flow network is frozen',
        owner=VideoRecurrentGANModel,
        name='optimize_parameters',
        source='e082e3d871d3822e',
        build=_keep_frozen('fix_flow_iter', _is_of_flow),
    ),
)
