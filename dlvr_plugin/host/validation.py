"""Validate and test on the model's own device, with any number of sets, and save images while training."""

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from torch.utils.data import DataLoader

from dlvr_plugin.host.adaptation import Adaptation, source_has


def _options_that_save(opt: dict[str, Any], current_iter: int | str) -> dict[str, Any]:
    """Return options under which the host's test branch saves images below the experiment's visualization folder."""
    name = f'{opt["name"]}_{current_iter}'
    visualization = str(Path(opt['path']['visualization']) / str(current_iter))
    return {
        **opt,
        'name': name,
        'is_train': False,
        'path': {**opt['path'], 'visualization': visualization},
        'val': {**opt['val'], 'suffix': None},
    }


def _repair_validation(model_class: type[VideoBaseModel]) -> None:
    host_dist_validation: Callable[..., None] = model_class.dist_validation

    @functools.wraps(host_dist_validation)
    def dist_validation(
        self: VideoBaseModel, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool
    ) -> None:
        metrics = self.opt['val'].get('metrics')
        if metrics is not None:
            folders: list[str] = dataloader.dataset.data_info['folder']  # type: ignore[attr-defined]
            self.metric_results = {
                folder: torch.zeros(num_frame, len(metrics), dtype=torch.float32, device=self.device)
                for folder, num_frame in Counter(folders).items()
            }
        opt = self.opt
        if save_img and opt['is_train']:
            self.opt = _options_that_save(opt, current_iter)
        try:
            host_dist_validation(self, dataloader, current_iter, tb_logger, save_img)
        finally:
            self.opt = opt

    model_class.dist_validation = dist_validation


def _repair_feed_data() -> None:
    host_feed_data = SRModel.feed_data

    @functools.wraps(host_feed_data)
    def feed_data(self: SRModel, data: dict[str, Any]) -> None:
        # A view keeps its own shape when the host squeezes the sample in place; on a GPU the transfer copies anyway.
        views = {name: value.view_as(value) if torch.is_tensor(value) else value for name, value in data.items()}
        host_feed_data(self, views)

    SRModel.feed_data = feed_data


def _validation_adaptation(model_class: type[VideoBaseModel]) -> Adaptation:
    return Adaptation(
        defect=f'{model_class.__name__} keeps metrics on CUDA and for the first set only, and cannot save in training',
        is_present=lambda: source_has(model_class.dist_validation, "device='cuda'"),
        repair=lambda: _repair_validation(model_class),
    )


ADAPTATIONS = (
    # Ahead of the two that wrap the method it looks into.
    Adaptation(
        defect='recurrent validation squeezes the sample in place, and with it the input that shares its memory on CPU',
        is_present=lambda: source_has(VideoRecurrentModel.dist_validation, "val_data['lq'].squeeze_(0)"),
        repair=_repair_feed_data,
    ),
    _validation_adaptation(VideoBaseModel),
    _validation_adaptation(VideoRecurrentModel),
)
