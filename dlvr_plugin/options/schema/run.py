"""The whole of an option file: the top level, and the sections that do not depend on classes."""

from dataclasses import replace
from typing import get_args

from basicsr.utils.registry import MODEL_REGISTRY

from dlvr_plugin.core.declarations import FREE, OnResume
from dlvr_plugin.evaluation.validation_options import ValidationOptions
from dlvr_plugin.models import LossNetworkModel
from dlvr_plugin.models.host_models import GeneratorType, host_models
from dlvr_plugin.options.schema import training
from dlvr_plugin.options.schema.datasets import datasets
from dlvr_plugin.options.schema.models import ModelOptions, loss_networks, models, options_of, over_host
from dlvr_plugin.options.schema.registered import metrics, networks, once_a_registry
from dlvr_plugin.options.sections import Option, Section, Variants
from dlvr_plugin.options.signatures import section_of
from dlvr_plugin.options.value_types import Bool, Choice, FolderName, Integer, ListOf, OneOf, Text, nullable
from dlvr_plugin.training.data_order import ANOTHER_ORDER
from dlvr_plugin.training.run_options import RunOptions

_NETWORKS = {'g': 'generator G', 'd': 'discriminator', 't': 'loss network T'}
_POSITIVE = Integer(minimum=1)
_OTHER_MODEL = OnResume('refused', 'the state is that of another model')
_OTHER_NETWORK = OnResume('refused', 'the saved weights are those of another network')
# NumPy takes seeds of 32 bits, and ranks and workers count up from this one.
_SEED = Integer(minimum=0, maximum=2**32 - 2**20)


@once_a_registry
def run_options(is_train: bool) -> Variants:
    """Return the description of all options of a training run, or of a test."""
    phase = 'training' if is_train else 'test'
    sections: dict[str, Section | Variants] = {}
    for name in sorted(MODEL_REGISTRY.keys()):
        if (model := MODEL_REGISTRY.get(name)) in loss_networks():
            sections[name] = _over_host(model, f'{phase}.{name}.over', is_train)
        else:
            sections[name] = _top_level(name, options_of(name), is_train)
    return Variants(phase, sections, 'class of the model', key='model_type', on_resume=_OTHER_MODEL)


def _over_host(model: type[LossNetworkModel], name: str, is_train: bool) -> Variants:
    hosts, refused = host_models()
    over = {
        host: _top_level(f'{model.__name__} over {host}', over_host(model, options_of(host)), is_train)
        for host in hosts
    }
    doc = "the framework's model class that trains G"
    generator_type = nullable(Choice(get_args(GeneratorType)))
    type_doc = 'what G takes and gives; ~ for what its host model says'
    return Variants(name, over, doc, key='host_model', refused=refused, on_resume=_OTHER_MODEL).with_options(
        {'generator_type': Option(generator_type, type_doc, on_resume=_OTHER_MODEL)}
    )


def _top_level(name: str, model: ModelOptions, is_train: bool) -> Section:
    """Return the options of a run of one model; the name is what messages call it."""
    options = {
        'name': Option(FolderName(), 'name of the run and of its folder', is_required=True, on_resume=FREE),
        'imports': Option(
            nullable(ListOf(Text())), 'modules, or paths of files, that register classes of your own', on_resume=FREE
        ),
        'num_gpu': Option(
            OneOf((Integer(minimum=0), Choice(('auto',)))),
            'GPUs to use; 0 for the CPU, auto for all',
            is_required=True,
            on_resume=ANOTHER_ORDER,
        ),
        'scale': Option(
            _POSITIVE,
            'factor between the sizes of ground truth and low quality',
            default=1,
            on_resume=OnResume('refused', 'the networks have learned another factor'),
        ),
        'manual_seed': Option(
            nullable(_SEED),
            'seed of all random numbers; ~ draws one',
            on_resume=OnResume(note='without one, a run keeps that of its state'),
        ),
        'find_unused_parameters': Option(Bool(), 'whether processes look for weights without gradient', on_resume=FREE),
        'dist_params': Option(nullable(_dist_params()), 'how processes find one another', on_resume=FREE),
        'datasets': Option(_datasets(is_train), 'training, validation and test sets', is_required=True),
        'path': Option(_path(model), 'files to load', is_required=True, on_resume=FREE),
        'train': Option(_train(name, model), 'the training', is_required=is_train),
        'val': Option(
            nullable(_val(model, True)) if is_train else _val(model, False),
            'validation and tests',
            is_required=not is_train,
            on_resume=FREE,
        ),
        'logger': Option(_logger(), 'what is logged and saved', is_required=is_train, on_resume=FREE),
    }
    if is_train:
        doc = 'whether a run on one GPU repeats itself bit for bit, by slower operators'
        options['deterministic'] = Option(Bool(), doc, default=False)
    for letter in model.networks:
        is_required = is_train or letter == 'g'
        doc = _NETWORKS.get(letter, 'a network')
        options[f'network_{letter}'] = Option(_trained_networks(), doc, is_required, on_resume=_OTHER_NETWORK)
    others = {f'network_{letter}': Option(networks(), doc) for letter, doc in _NETWORKS.items()}
    others.update({'host_model': Option(Text()), 'generator_type': Option(Text())})
    return Section(
        options,
        {} if model.is_known else {r'network_\w+': Option(_trained_networks(), 'a network', on_resume=_OTHER_NETWORK)},
        is_open=not model.is_known,
        elsewhere={
            other: f'{name} does not read it. Remove it, or choose the model_type that does.' for other in others
        },
    )


@once_a_registry
def _trained_networks() -> Variants:
    """Return the sections of networks whose weights a resumed run has, whatever files they began with."""
    sections = {}
    for name, section in networks().sections.items():
        files = {key: replace(each, on_resume=FREE) for key, each in section.options.items() if key.endswith('_path')}
        sections[name] = section.with_options(files)
    return replace(networks(), sections=sections)


def _dist_params() -> Section:
    return Section(
        {
            'backend': Option(Choice(('nccl', 'gloo')), 'how processes talk; without a GPU always gloo'),
            'port': Option(Integer(minimum=1, maximum=65535), 'port of the first process, with --launcher slurm'),
        }
    )


def _datasets(is_train: bool) -> Section:
    evaluation = Option(datasets('val'), 'a validation or test set', on_resume=FREE)
    if not is_train:
        sets = {'test': evaluation, 'val': evaluation}
        return Section(sets, {r'(test|val)_\w+': evaluation}, name='datasets.test')
    training_set = Option(datasets('train'), 'the training set', is_required=True)
    validation_set = replace(evaluation, doc='a validation set')
    return Section({'train': training_set, 'val': validation_set}, {r'val_\w+': evaluation}, name='datasets.training')


def _path(model: ModelOptions) -> Section:
    """Return the section ``path``; the host makes a folder of every other key."""
    options = {
        'resume_state': Option(nullable(Text()), 'training state to go on from'),
        'ignore_resume_networks': Option(nullable(ListOf(Text())), 'networks that resuming does not load'),
    }
    of_a_network = {
        'pretrain_network': (nullable(Text()), 'weights to start from'),
        'strict_load': (Bool(), 'whether the weights must be those of the network, all of them'),
        'param_key': (nullable(Text()), 'key of the weights in the file; ~ where the file is the weights'),
    }
    for letter in model.networks:
        for prefix, (value_type, doc) in of_a_network.items():
            if (prefix, letter) != ('strict_load', 't'):  # T is always loaded so
                options[f'{prefix}_{letter}'] = Option(value_type, f'{_NETWORKS.get(letter, "a network")}: {doc}')
    patterns = {rf'{prefix}_\w+': Option(each, doc) for prefix, (each, doc) in of_a_network.items()}
    letters = ''.join(model.networks) if model.is_known else 'any'
    return Section(options, {} if model.is_known else patterns, name=f'path.{letters}')


def _train(name: str, model: ModelOptions) -> Section:
    others = {key for other in models().values() for key in other.train}
    others |= {key for keys in loss_networks().values() for key in keys}
    return Section(
        {**training.loop(), **model.train},
        is_open=not model.is_known,
        elsewhere={
            key: f'{name} does not read it. Remove it, or choose the model_type that does.'
            for key in others - set(model.train)
        },
        note=model.note,
        name=f'train.{name.replace(" ", ".")}',
    )


def _val(model: ModelOptions, is_train: bool) -> Section:
    phase, reader = 'training' if is_train else 'test', ''.join(f'.{key}' for key in model.val)
    return Section(
        {
            'val_freq': Option(_POSITIVE, 'iterations between two validations', is_required=is_train),
            'save_img': Option(Bool(), 'whether to save restored frames', is_required=True),
            'suffix': Option(nullable(FolderName()), 'of the names of saved frames; ~ for the name of the run'),
            'metrics': Option(
                nullable(Section({}, {r'.+': Option(metrics(), 'a metric, by the name it has in logs')})),
                'what to measure',
            ),
            **section_of(ValidationOptions).options,
            **model.val,
        },
        is_open=not model.is_known,
        name=f'val.{phase}{reader if model.is_known else ".any"}',
    )


def _logger() -> Section:
    wandb = Section(
        {
            'project': Option(nullable(Text()), 'project at Weights & Biases; ~ for none'),
            'resume_id': Option(nullable(Text()), 'run to go on with'),
        }
    )
    return Section(
        {
            'print_freq': Option(_POSITIVE, 'iterations between two lines of the log', is_required=True),
            'save_checkpoint_freq': Option(_POSITIVE, 'iterations between two checkpoints', is_required=True),
            'use_tb_logger': Option(Bool(), 'whether to log for TensorBoard', is_required=True),
            'wandb': Option(nullable(wandb), 'Weights & Biases'),
            'keep_last': section_of(RunOptions).options['keep_last'],
        },
        name='logger',
    )
