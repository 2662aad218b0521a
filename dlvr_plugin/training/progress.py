"""What a run says while it goes on, and at its end."""

import datetime
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import MessageLogger, get_root_logger
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from dlvr_plugin.core.memory import peak_memory


class Progress:
    """Times the iterations, writes the log in the host's format, and shows a bar on terminals.

    Args:
        opt: Options.
        start_iter: Iterations done already.
        samples_per_iter: Samples of an iteration, over all processes.
        tb_logger: Writer for TensorBoard, or None.
    """

    def __init__(self, opt: dict[str, Any], start_iter: int, samples_per_iter: int, tb_logger: Any) -> None:
        self._start_iter, self._samples_per_iter = start_iter, samples_per_iter
        self._message_logger = MessageLogger(opt, start_iter + 1, tb_logger)
        self._message_logger.max_iters += 1  # it leaves the last iteration out of the time left
        self._bar = tqdm(
            total=int(opt['train']['total_iter']),
            initial=start_iter,
            unit='iter',
            dynamic_ncols=True,
            disable=None if opt['rank'] == 0 else True,  # None: where there is no terminal
        )
        self._redirect = logging_redirect_tqdm([get_root_logger()]) if not self._bar.disable else None
        self._num_iters, self._seconds, self._data_seconds = 0, 0.0, 0.0  # since the last line of the log
        self._run_iters, self._run_seconds, self._began = 0, 0.0, time.perf_counter()

    def __enter__(self) -> 'Progress':
        if self._redirect is not None:
            self._redirect.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.close()
        if self._redirect is not None:
            self._redirect.__exit__(*error)

    def start_iteration(self) -> None:
        """Start the clock."""
        self._iteration_began = time.perf_counter()

    @contextmanager
    def waiting_for_data(self) -> Iterator[None]:
        """Count the time within as waiting for data."""
        began = time.perf_counter()
        yield
        self._data_seconds += time.perf_counter() - began

    def end_iteration(self) -> None:
        """Stop the clock."""
        seconds = time.perf_counter() - self._iteration_began
        self._num_iters, self._seconds = self._num_iters + 1, self._seconds + seconds
        self._run_iters, self._run_seconds = self._run_iters + 1, self._run_seconds + seconds
        self._bar.update()

    def log(self, epoch: int, current_iter: int, learning_rates: Sequence[float], values: Mapping[str, float]) -> None:
        """Write a line: epoch, iteration, learning rates, time left, seconds an iteration, samples a second, values."""
        self._message_logger(
            {
                'epoch': epoch,
                'iter': current_iter,
                'lrs': learning_rates,
                'time': self._seconds / self._num_iters,
                'data_time': self._data_seconds / self._num_iters,
                'samples_s': self._samples_per_iter * self._num_iters / self._seconds,
                **values,
            }
        )
        self._num_iters, self._seconds, self._data_seconds = 0, 0.0, 0.0

    def summarize(self, model: BaseModel, opt: Mapping[str, Any]) -> None:
        """Log what the run has done, its best metrics, and where its networks are."""
        lines = [f'End of training at iteration {self._start_iter + self._run_iters}.']
        if self._run_iters:
            total = datetime.timedelta(seconds=int(time.perf_counter() - self._began))
            speed = self._run_seconds / self._run_iters
            lines.append(
                f'{self._run_iters} iterations in {total}, validation and saving included: {speed:.3f} s an iteration, '
                f'{self._samples_per_iter / speed:.1f} samples a second'
            )
        if (peak := peak_memory()) is not None:
            lines.append(f'Peak memory of this process: {peak:.0f} MiB')
        if model.device.type == 'cuda':
            lines.append(f'Peak memory on the GPU: {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB')
        for set_name, metrics in getattr(model, 'best_metric_results', {}).items():
            for name, best in metrics.items():
                lines.append(f'Best {name} of {set_name}: {best["val"]:.4f} at iteration {best["iter"]}')
        lines.append(f'Networks: {opt["path"]["models"]}')
        get_root_logger().info('\n\t'.join(lines))
