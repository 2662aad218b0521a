"""What a run says while it goes on, and at its end: on the screen, in the log, and to TensorBoard."""

import datetime
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from dlvr_plugin.core.memory import peak_memory


class Progress:
    """Times the iterations, writes the lines of the log, and shows a bar on terminals.

    Args:
        opt: Options.
        start_iter: Iterations done already.
        samples_per_iter: Samples of an iteration, over all processes.
        tb_logger: Writer for TensorBoard, or None.
    """

    def __init__(self, opt: dict[str, Any], start_iter: int, samples_per_iter: int, tb_logger: Any) -> None:
        self._start_iter, self._samples_per_iter = start_iter, samples_per_iter
        self._name, self._total_iter, self._tb_logger = opt['name'], int(opt['train']['total_iter']), tb_logger
        self._is_first_process = opt['rank'] == 0
        self._bar = tqdm(
            total=self._total_iter,
            initial=start_iter,
            unit='iter',
            dynamic_ncols=True,
            disable=None if self._is_first_process else True,  # None: where there is no terminal
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
        """Write a line, and the values to TensorBoard.

        Args:
            epoch: Epoch, from 0.
            current_iter: Iteration, from 1.
            learning_rates: Of the groups of parameters of the first optimizer.
            values: Losses, accuracies and the like, by name.
        """
        speed = self._samples_per_iter * self._num_iters / self._seconds
        if self._tb_logger is not None:
            for name, value in {'samples_s': speed, **values}.items():
                self._tb_logger.add_scalar(f'losses/{name}' if name.startswith('l_') else name, value, current_iter)
        if self._is_first_process:
            rates = ' '.join(f'{rate:.2e}' for rate in dict.fromkeys(learning_rates))
            left = (time.perf_counter() - self._began) / self._run_iters * (self._total_iter - current_iter)
            get_root_logger().info(
                f'[{self._name}] epoch: {epoch}, iter:{current_iter:8,d}, lr: {rates} | '
                f'{" ".join(f"{name}: {format_value(name, value)}" for name, value in values.items())} | '
                f'{self._seconds / self._num_iters:.3f} s/iter (data {self._data_seconds / self._num_iters:.3f}), '
                f'{speed:.1f} samples/s, {datetime.timedelta(seconds=int(left))} left'
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


def format_value(name: str, value: float) -> str:
    """Return a value for people: accuracies with two decimals, all else with four significant digits.

    >>> format_value('t_acc_real', 0.9349)
    '0.93'
    >>> format_value('l_g_pix', 0.0042733)
    '0.004273'
    >>> format_value('l_g_relation', 4.27331e-07)
    '4.273e-07'
    """
    return f'{value:.2f}' if '_acc_' in name else f'{value:#.4g}'.rstrip('.')
