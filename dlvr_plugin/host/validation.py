"""Validate and test on the model's own device, with any number of sets, metrics and processes."""

import functools
from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from torch.utils.data import DataLoader

from dlvr_plugin.host.adaptation import Adaptation, source_has

# The loops of Real-ESRGAN are those of SRModel, without its degradations of the training.
_MODELS = (SRModel, VideoBaseModel, VideoRecurrentModel, RealESRGANModel, RealESRNetModel)
_LOOPS = ('dist_validation', 'nondist_validation')


def _has_the_host_s_loop(model: BaseModel) -> bool:
    """Tell whether a model validates by the host's loops, and not by one of its own."""
    known = {getattr(each, loop) for each in _MODELS for loop in _LOOPS}
    return all(getattr(type(model), loop) in known for loop in _LOOPS)


def _repair_validation() -> None:
    host_validation = BaseModel.validation

    @functools.wraps(host_validation)
    def validation(
        self: BaseModel, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool = False
    ) -> None:
        from dlvr_plugin.models.validation import validate  # the models import the host adapted

        run = validate if _has_the_host_s_loop(self) else host_validation
        wrapped = self.net_g
        self.net_g = self.get_bare_model(wrapped)  # DDP's would wait for processes that have fewer samples
        try:
            run(self, dataloader, current_iter, tb_logger, save_img)
        finally:
            self.net_g = wrapped

    BaseModel.validation = validation


ADAPTATIONS = (
    Adaptation(
        defect='validation keeps metrics on CUDA and for the first set only, cannot compare a frame with the one '
        'before, cannot save clips while training, and waits for ever where processes have unequal shares',
        is_present=lambda: (
            source_has(BaseModel.validation, 'self.dist_validation(')
            and source_has(VideoBaseModel.dist_validation, "device='cuda'")
        ),
        repair=_repair_validation,
    ),
)
