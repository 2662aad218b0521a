"""Tables of the plugin's own options in Markdown, from their declarations."""

import re
from collections.abc import Iterator, Mapping

from dlvr_plugin.archs import DBN, STFAN, STRCNN, EnhanceNet, FRNet, LossNetT
from dlvr_plugin.core.declarations import FREE, OnResume
from dlvr_plugin.data import ClipDataset, Degradation
from dlvr_plugin.data.augmentation import ColorJitter
from dlvr_plugin.data.realistic.options import (
    BlurOptions,
    JpegOptions,
    LastOptions,
    NoiseOptions,
    OrderOptions,
    RealisticOptions,
    ResizeOptions,
    SincOptions,
    VideoOptions,
)
from dlvr_plugin.evaluation.validation_options import ValidationOptions
from dlvr_plugin.losses import DiscriminativeSpaceLoss, HuberLoss, LPIPSLoss
from dlvr_plugin.metrics.spec import IMAGE_ARGUMENTS, METRICS
from dlvr_plugin.options.schema.datasets import datasets
from dlvr_plugin.options.schema.run import run_options
from dlvr_plugin.options.schema.training import adversarial, discriminative_space, loop
from dlvr_plugin.options.sections import NOT_DECLARED, Option, Section, Variants, section_in
from dlvr_plugin.options.signatures import section_of
from dlvr_plugin.options.value_types import ListOf, Null, OneOf, ValueType, as_yaml
from dlvr_plugin.training.divergence import DivergenceOptions

_INTRODUCTION = """# Options

What the plugin reads, beside the options of BasicSR. `dlvr options check FILE` compares a
file with all of this, and with what BasicSR's classes read. This page is written by
`dlvr options table --out docs/options.md`, from the declarations in the code.
"""
_OF_THE_TOP = ('imports', 'host_model', 'generator_type', 'network_t')


def format_reference() -> str:
    """Return the page of the documentation, one table a section."""
    tables = (f'\n## {title}\n\n{_table(options)}' for title, options in _sections())
    return _INTRODUCTION + ''.join(tables)


def format_resume_table() -> str:
    """Return the table of what becomes of options that differ where a run is resumed."""
    groups: dict[OnResume, dict[str, None]] = {}
    for key, on_resume in _rules(run_options(True), ''):
        groups.setdefault(on_resume, {})[f'`{key}`'] = None
    rows = ['| option | another value when resuming |', '|---|---|']
    for rule, words in (('refused', 'is refused'), ('applied', 'is applied'), ('free', 'changes nothing in the run')):
        for on_resume, keys in groups.items():
            if on_resume.rule == rule:
                note = f': {on_resume.note}' if on_resume.note else ''
                rows.append(f'| {", ".join(keys)} | {words}{note} |')
    return '\n'.join([*rows, '| every other | is applied |', ''])


def _rules(value_type: ValueType, prefix: str) -> Iterator[tuple[str, OnResume]]:
    """Yield what options of a section say themselves, those of the networks and their optimizers together."""
    section = section_in(value_type)
    if isinstance(section, Variants):
        yield from _rules_of({section.key: section.selector}, prefix)
        for each in section.sections.values():
            yield from _rules(each, prefix)
    elif section is not None:
        yield from _rules_of({**section.options, **section.patterns}, prefix)


def _rules_of(options: Mapping[str, Option], prefix: str) -> Iterator[tuple[str, OnResume]]:
    for name, option in options.items():
        key = prefix + re.sub(r'^(network_|optim_|val_).*|.*(?=_path$)', r'\1*', name, count=1)
        if option.on_resume is not None:
            yield key, option.on_resume
        if option.on_resume != FREE:  # and with it all that is in it
            yield from _rules(option.type, f'{key}.')


def _sections() -> Iterator[tuple[str, Mapping[str, Option]]]:
    over = run_options(True).sections['DiscriminativeSpaceModel']
    assert isinstance(over, Variants)
    a_run = {over.key: over.selector, **over.sections['EDVRModel'].options}
    space = dict(discriminative_space())
    losses_of_g = _plain_section(space.pop('discriminative_opt').type)
    adversarial_loss = _plain_section(adversarial()['adversarial_opt'].type)
    yield 'Top of the file', {name: a_run[name] for name in _OF_THE_TOP}
    yield '`network_t`, `type: LossNetT`', section_of(LossNetT).options
    for generator in (FRNet, STFAN, STRCNN, DBN, EnhanceNet):
        yield f'`network_g`, `type: {generator.__name__}`', section_of(generator).options
    yield '`train`, of every model', loop()
    yield '`train.divergence`', section_of(DivergenceOptions).options
    yield '`train`, of `DiscriminativeSpaceModel` and `AdversarialModel`', space
    yield '`train.discriminative_opt`', losses_of_g.options
    yield '`train.adversarial_opt`', adversarial_loss.options
    yield '`logger`', {'keep_last': _plain_section(a_run['logger'].type).options['keep_last']}
    yield '`val`', section_of(ValidationOptions).options
    yield from _of_metrics()
    yield '`datasets.*`, `type: ClipDataset`', _own(ClipDataset.__name__)
    yield '`degradation`', section_of(Degradation).options
    yield from _of_realistic_degradations()
    yield '`color_jitter`', section_of(ColorJitter).options
    yield '`pixel_opt`, `type: HuberLoss`', section_of(HuberLoss).options
    yield '`perceptual_opt`, `type: DiscriminativeSpaceLoss`', section_of(DiscriminativeSpaceLoss).options
    yield '`perceptual_opt`, `type: LPIPSLoss`', section_of(LPIPSLoss).options


def _of_realistic_degradations() -> Iterator[tuple[str, Mapping[str, Option]]]:
    """Yield the sections of realistic degradations, those that stand in several places once."""
    yield '`degradation`, `type: realistic`', section_of(RealisticOptions).options
    yield '`degradation.first`, `degradation.second`', section_of(OrderOptions).options
    yield '`degradation.last`', section_of(LastOptions).options
    yield '`degradation.last.sinc`', section_of(SincOptions).options
    stages = {'blur': BlurOptions, 'resize': ResizeOptions, 'noise': NoiseOptions, 'jpeg': JpegOptions}
    for name, stage in {**stages, 'video': VideoOptions}.items():
        yield f'`degradation.*.{name}`', section_of(stage).options


def _of_metrics() -> Iterator[tuple[str, Mapping[str, Option]]]:
    for function in (spec.function for spec in METRICS.values()):
        if function is None or not function.__module__.startswith('dlvr_plugin.'):
            continue  # one of the framework
        if options := section_of(function, skip=IMAGE_ARGUMENTS).options:
            yield f'`val.metrics.*`, `type: {function.__name__}`', options


def _own(dataset: str) -> dict[str, Option]:
    """Return what a dataset reads, but for what its loader does."""
    declared = section_of(ClipDataset.Options).options
    of_all = datasets('train').sections[dataset].options
    return {name: each for name, each in of_all.items() if name in declared}


def _plain_section(value_type: ValueType) -> Section:
    section = section_in(value_type)
    assert isinstance(section, Section)
    return section


def _table(options: Mapping[str, Option]) -> str:
    rows = ['| key | default | expected | meaning |', '|---|---|---|---|']
    for name, option in options.items():
        cells = (f'`{name}`', _default(option), _expected(option.type), _meaning(option))
        rows.append('| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |')
    return '\n'.join(rows) + '\n'


def _meaning(option: Option) -> str:
    """Return the line of an option as a sentence of Markdown."""
    return f'{option.doc[:1].upper()}{option.doc[1:]}'.replace('``', '`')


def _default(option: Option) -> str:
    if option.is_required:
        return 'required'
    return '' if option.default is NOT_DECLARED else f'`{as_yaml(option.default)}`'


def _expected(value_type: ValueType) -> str:
    if isinstance(value_type, OneOf):
        return ' or '.join('`~`' if isinstance(each, Null) else _expected(each) for each in value_type.types)
    if isinstance(value_type, ListOf):
        return f'a list of {value_type.item.expected}'
    return value_type.expected
