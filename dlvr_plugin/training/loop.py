"""The training loop: the host's steps in the host's order, which can be stopped, killed and resumed at any moment."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from basicsr.models import build_model
from basicsr.utils import get_root_logger, get_time_str
from torch.utils.tensorboard import SummaryWriter

from dlvr_plugin.core.errors import DivergenceError, InvalidValueError, StopRequested
from dlvr_plugin.core.log import log_start, set_up_log
from dlvr_plugin.core.random_state import seed_everything, shared_draws
from dlvr_plugin.core.run_folder import RunFolder
from dlvr_plugin.core.training_states import load_resume_state, remove_old_states
from dlvr_plugin.evaluation.validation import validate
from dlvr_plugin.evaluation.validation_metrics import load_metrics
from dlvr_plugin.training.determinism import OperatorWatch, chosen_algorithms
from dlvr_plugin.training.divergence import BalanceMonitor
from dlvr_plugin.training.loaders import build_train_loader, build_val_loaders, prefetch
from dlvr_plugin.training.option_copies import keep_option_file
from dlvr_plugin.training.precision import Precision
from dlvr_plugin.training.progress import Progress
from dlvr_plugin.training.protocols import GivenOptions, HasPhases, networks_of
from dlvr_plugin.training.resumed_random_state import check_random_state, compare_divisions
from dlvr_plugin.training.resumed_state import with_new_options
from dlvr_plugin.training.run_options import RunOptions
from dlvr_plugin.training.stop_request import StopRequest
from dlvr_plugin.training.updates import GuardedUpdates
from dlvr_plugin.training.wandb_logger import init_wandb_logger

_ITERATION = 1  # tells the seeds of iterations from those of samples


def train(opt: dict[str, Any], opt_file: str, given: GivenOptions) -> None:
    """Train as the options say; nothing is made or moved on the disk before all is built and the first batch is read.

    Args:
        opt: Options, parsed and checked.
        opt_file: Their file, which is copied to the experiment.
        given: The options without what was made of them.

    Raises:
        ValueError: Data, checkpoints, or options for a run that goes on, that cannot be used. OSError: a checkpoint
            cannot be written.
        DivergenceError: The numbers went wrong, and the options do not say to go on.
        InUseError: Another process trains a run of this name.
        StopRequested: Ctrl-C or SIGTERM; everything is saved.
    """
    # A resumed run steps the schedule first, rightly: the optimizer's step before it was taken before the stop.
    warnings.filterwarnings('ignore', r'Detected call of `lr_scheduler.step\(\)` before', UserWarning)
    uses_tb = opt['logger'].get('use_tb_logger') and 'debug' not in opt['name']
    tb_folder = Path(opt['root_path']) / 'tb_logger' / opt['name'] if uses_tb else None
    option_file = Path(opt_file).read_bytes() if opt['rank'] == 0 else b''  # it may lie in a folder that is moved
    with RunFolder(opt, tb_folder) as folder, chosen_algorithms(deterministic=opt.get('deterministic', False)):
        log_start(opt)
        state = load_resume_state(opt, partial(_check_state, given))
        load_metrics(opt.get('val'))  # before the work: what they need may have to be downloaded
        training = Training(opt, given)
        training.build(state)
        done = state['iter'] if state else 0
        with StopRequest() as stop_request:
            training.read_first_batch()
            if uses_tb and (opt['logger'].get('wandb') or {}).get('project'):
                init_wandb_logger(opt)  # before TensorBoard's writer, which it watches
            folder.take(resumes=state is not None)
            set_up_log(Path(opt['path']['log']) / f'train_{opt["name"]}_{get_time_str()}.log')
            tb_logger = None
            if opt['rank'] == 0:
                keep_option_file(option_file, folder.path / Path(opt_file).name, done)
                if tb_folder is not None:
                    # What a killed run logged after the checkpoint is done, and logged, once more.
                    tb_logger = SummaryWriter(str(tb_folder), purge_step=done + 1 if folder.goes_on else None)
            try:
                training.run(tb_logger, stop_request)
            finally:
                if tb_logger is not None:
                    tb_logger.close()


def _check_state(given: GivenOptions, state: dict[str, Any], file: Path) -> None:
    """Refuse a state whose random numbers, or whose options, no run can go on with."""
    check_random_state(state, file, manual_seed=given.values.get('manual_seed'))
    given.check_resumable(state, file)


class Training:
    """One run of training.

    Args:
        opt: Options, parsed and checked.
        given: The options without what was made of them.
    """

    def __init__(self, opt: dict[str, Any], given: GivenOptions) -> None:
        self.opt, self.given = opt, given
        self.options = RunOptions.from_options(opt)
        self.logger = get_root_logger()
        self.total_iter = int(opt['train']['total_iter'])
        self.rollbacks = 0
        self.val_loaders = build_val_loaders(opt)

    def run(self, tb_logger: SummaryWriter | None, stop_request: StopRequest) -> None:
        """Train what was built to the last iteration.

        Args:
            tb_logger: Writer for TensorBoard, or None.
            stop_request: Tells when to end early.
        """
        self.tb_logger, self.stop_request = tb_logger, stop_request
        while True:
            try:
                self._train()
                return
            except DivergenceError as error:
                state = self._roll_back(error)
            self.build(state)
            self.read_first_batch()

    def _roll_back(self, error: DivergenceError) -> dict[str, Any]:
        """Return the last good state, with which to go on in another order of the data.

        Raises:
            DivergenceError: The options say to stop, or it was rolled back too often, or there is no state.
        """
        where = f'Iteration {self.current_iter}, samples {self.sample_names}: {error}.'
        advice = (
            'No step was taken with these numbers, and the checkpoints are intact. Lower the learning rates, set '
            'train.grad_clip_g and grad_clip_t, or look at these samples; --auto_resume goes on with what you change.'
        )
        divergence = self.options.divergence
        if divergence.policy == 'stop':
            raise DivergenceError(
                f'{where} {advice} With train.divergence.policy: rollback, a run goes on from its last checkpoint, in '
                'another order of the data.'
            ) from error
        if self.rollbacks >= divergence.max_rollbacks:
            raise DivergenceError(f'{where} It was rolled back {self.rollbacks} times before. {advice}') from error
        # Its own checkpoints hold every network, those too that the run began without.
        self.opt['path'].pop('ignore_resume_networks', None)
        state = load_resume_state({**self.opt, 'auto_resume': True}, partial(_check_state, self.given))
        if state is None:
            raise DivergenceError(f'{where} There is no checkpoint yet to roll back to. {advice}') from error
        self.logger.warning(
            f'{where} Rolling back to iteration {state["iter"]}, in another order of the data: '
            f'{self.rollbacks + 1} of at most {divergence.max_rollbacks} times.'
        )
        del self.model, self.precision, self.updates  # before the next ones take memory
        gc.collect()
        return {**state, 'rollbacks': self.rollbacks + 1}

    def _build_model(self, state: dict[str, Any] | None) -> None:
        """Build the model, and put everything around it that the options ask for."""
        options = self.options
        self.model: Any = build_model(self.opt)  # one of BasicSR, which may have more that ``protocols`` names
        if not networks_of(self.model, 'g'):
            raise InvalidValueError(f'model_type: {self.opt["model_type"]} has no network net_g to train.')
        if state:
            self._resume(state)
        self.precision = Precision(
            self.model, amp=options.amp, channels_last=options.channels_last, compiled=options.networks_to_compile
        )
        for letter, scaler in self.precision.scalers.items():
            if state and letter in state.get('scalers', {}):
                scaler.load_state_dict(state['scalers'][letter])
        self.updates = GuardedUpdates(
            self.model,
            accum_iter=options.accum_iter,
            max_norms={'g': options.grad_clip_g, 't': options.grad_clip_t},
            max_offset=options.divergence.max_offset,
            scalers=self.precision.scalers,
        )
        self.naming_operators = OperatorWatch(self.model).naming if self.opt.get('deterministic') else nullcontext
        self.model.run_state = lambda: {
            'options': self.given.values,
            'seed': self.seed,
            'rollbacks': self.rollbacks,
            'division': self.order.division,
            'scalers': {letter: scaler.state_dict() for letter, scaler in self.precision.scalers.items()},
        }

    def _resume(self, state: dict[str, Any]) -> None:
        """Give the model what a state holds, and say what the options change from here on."""
        for message in state.get('left_out', ()):
            self.logger.warning(message)
        self.logger.info(f'Resuming training from iteration {state["iter"]}.')
        changes = self.given.changes_since(state)
        if changes is None:
            self.logger.info(
                'The state does not say with which options it was saved, so differences cannot be told. Those of '
                f'{self.opt["name"]} count from iteration {state["iter"] + 1}.'
            )
        for change in changes or ():
            self.logger.info(change)
        if line := compare_divisions(state.get('division'), self.order.division):
            self.logger.info(line)
        if changes != []:
            state = with_new_options(
                self.model, state, warmup_iter=self.options.warmup_iter, total_iter=self.total_iter
            )
        self.model.resume_training(state)

    def build(self, state: dict[str, Any] | None) -> None:
        """Build the data and the model, to train from a state, or from the start."""
        start_iter = self.current_iter = state['iter'] if state else 0
        self.rollbacks = state.get('rollbacks', 0) if state else 0
        self.seed = self.opt['manual_seed']
        if state and self.given.values.get('manual_seed') is None:  # drawn once for a run, not for each part of it
            self.seed = state['seed']
        self.last_saved = self.last_validated = start_iter if state else -1
        self.sample_names = ''
        self.phase = ''
        self.train_loader, self.order = build_train_loader(
            self.opt,
            accum_iter=self.options.accum_iter,
            seed=self.seed,
            variant=self.rollbacks,
            start_iter=start_iter,
            total_iter=self.total_iter,
        )
        self._build_model(state)

    def read_first_batch(self) -> None:
        """Begin to read the data; those that cannot be read are often found at once."""
        self.batches = prefetch(self.train_loader, self.opt)
        del self.train_loader  # so that the files of the data are closed with the training

    def _train(self) -> None:
        self.balance = BalanceMonitor()
        self.progress = Progress(
            self.opt, self.current_iter, self.order.samples_per_iter * self.opt['world_size'], self.tb_logger
        )
        with self.progress, closing(self.batches) as batches:
            del self.batches
            while self.current_iter < self.total_iter:
                self._iterate(batches)
                self._log()
                self._validate_and_save()
                self._stop_if_asked()
        self._finish()

    def _iterate(self, batches: Iterator[dict[str, Any]]) -> None:
        """Take the batches of an iteration, and a step."""
        self.current_iter += 1
        self._say_phase()
        self.progress.start_iteration()
        self.model.update_learning_rate(self.current_iter, warmup_iter=self.opt['train'].get('warmup_iter', -1))
        names: list[str] = []
        for index in range(self.options.accum_iter):
            with self.progress.waiting_for_data():
                batch = next(batches)
            names += batch.get('key') or batch.get('lq_path') or []
            self.sample_names = ', '.join(map(str, names))
            with self._random_numbers_of(index), self.naming_operators():
                self._step(index, batch)
        self.progress.end_iteration()

    def _step(self, index: int, batch: dict[str, Any]) -> None:
        with self.updates.batch(index):
            self.model.feed_data(batch)
            self.model.optimize_parameters(self.current_iter)

    def _random_numbers_of(self, index: int) -> AbstractContextManager[None]:
        """Seed what is drawn for a batch by its place in the iteration, whichever process takes it."""
        numbers = self.seed, self.rollbacks, self.current_iter
        seed_everything(*numbers, self.order.batch_in_iteration(index), _ITERATION)
        return shared_draws(*numbers, 0, _ITERATION)

    def _say_phase(self) -> None:
        """Log what is trained, where that changes."""
        phase = self.model.phase(self.current_iter) if isinstance(self.model, HasPhases) else ''
        if phase != self.phase:
            self.logger.info(f'From iteration {self.current_iter}: {phase}.')
        self.phase = phase

    def _log(self) -> None:
        if self.current_iter % self.opt['logger']['print_freq']:
            return
        values = {**self.model.get_current_log()}
        values |= {f'grad_norm_{letter}': float(norm) for letter, norm in self.updates.grad_norms.items()}
        if self.updates.offset is not None:
            values['dcn_offset'] = float(self.updates.offset)
        learning_rates = self.model.get_current_learning_rate()
        self.progress.log(self.order.epoch_of(self.current_iter), self.current_iter, learning_rates, values)
        if advice := self.balance.advice(self.current_iter, values):
            self.logger.warning(advice)

    def _validate_and_save(self) -> None:
        """Validate first, so that the checkpoint knows the best metrics."""
        val = self.opt.get('val')
        if val is not None and self.current_iter % val['val_freq'] == 0:
            self._validate()
        if self.current_iter % self.opt['logger']['save_checkpoint_freq'] == 0:
            self._save()

    def _validate(self) -> None:
        self.last_validated = self.current_iter
        with self.precision.suspended(), self.naming_operators():
            for loader in self.val_loaders:
                validate(self.model, loader, self.current_iter, self.tb_logger, self.opt['val']['save_img'])

    def _save(self) -> None:
        self.logger.info('Saving models and training states.')
        self.last_saved = self.current_iter
        self.model.save(self.order.epoch_of(self.current_iter), self.current_iter)
        if self.options.keep_last and self.opt['rank'] == 0:
            remove_old_states(self.opt, self.options.keep_last)

    def _stop_if_asked(self) -> None:
        if signal_number := self.stop_request.agreed(self.model.device):
            if self.last_saved != self.current_iter:
                self._save()
            self.logger.warning(f'Stopped and saved at iteration {self.current_iter}: --auto_resume goes on from here.')
            raise StopRequested(signal_number)

    def _finish(self) -> None:
        if self.opt.get('val') is not None and self.last_validated != self.current_iter:
            self._validate()
        if self.last_saved != self.current_iter:
            self._save()
        self.logger.info('Save the latest model.')
        self.model.save(epoch=-1, current_iter=-1)
        self.progress.summarize(self.model, self.opt)
