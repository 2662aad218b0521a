"""``dlvr data prepare --degradation realistic``."""

import json

import numpy as np
import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.clips.clip_store import ClipStore
from dlvr_plugin.data.realistic import section_reading

REALISTIC = ['--degradation', 'realistic']


def prepare(*arguments):
    return main(['data', 'prepare', *map(str, arguments), '--jobs', '1'])


def read_clip(root):
    store = ClipStore(root)
    return np.stack(list(store.read_frames(store.clips['001'])))


def told(root):
    return json.loads((root / '.prepare.json').read_text())['degradation']


@pytest.mark.parametrize('suffix', ['.lmdb', ''])
def test_one_copy_has_no_number_and_more_have(clip_root, host_log, suffix):
    arguments = (clip_root / 'GT', clip_root / f'gt{suffix}', *REALISTIC, '--preset', 'phone')
    assert prepare(*arguments) == 0
    assert prepare(*arguments, '--copies', 3) == 0
    made = sorted(path.name for path in clip_root.glob('gt_*'))
    assert made == sorted(f'gt_realisticx4{each}{suffix}' for each in ('', '_0', '_1', '_2'))
    clips = [read_clip(clip_root / f'gt_realisticx4{each}{suffix}') for each in ('', '_0', '_1', '_2')]
    assert clips[0].shape == (7, 16, 20, 3)
    assert np.array_equal(clips[0], clips[1])
    assert not np.array_equal(clips[1], clips[2])
    assert not np.array_equal(clips[2], clips[3])
    assert main(['data', 'check', str(clip_root / f'gt{suffix}'), '--lq', str(clip_root / f'gt_realisticx4_2{suffix}'),
                 '--jobs', '1']) == 0  # fmt: skip


def test_more_copies_are_added_to_those_that_are_there(clip_root, host_log):
    arguments = (clip_root / 'GT', clip_root / 'gt.lmdb', *REALISTIC, '--lq-target', clip_root / 'bad.lmdb')
    assert prepare(*arguments, '--copies', 2) == 0
    before = (clip_root / 'bad_1.lmdb/data.mdb').stat().st_mtime_ns
    assert prepare(*arguments, '--copies', 3) == 0
    assert (clip_root / 'bad_1.lmdb/data.mdb').stat().st_mtime_ns == before
    assert [told(clip_root / f'bad_{copy}.lmdb')['copy'] for copy in range(3)] == [0, 1, 2]
    assert prepare(*arguments, '--copies', 3, '--seed', 1) == 1
    assert 'bad_0.lmdb exists already, made otherwise. --force replaces it' in host_log[-1]
    assert told(clip_root / 'bad_0.lmdb')['seed'] == 0


def test_options_of_a_file_replace_those_of_the_preset(clip_root):
    file = clip_root / 'own.yml'
    file.write_text('first:\n  noise: ~\nlast:\n  video: {probability: 0.25}\n')
    arguments = ('--preset', 'dvd', '--scale', 2, '--degradation-options', file)
    assert prepare(clip_root / 'GT', clip_root / 'gt.lmdb', *REALISTIC, *arguments) == 0
    degradation = told(clip_root / 'gt_realisticx2.lmdb')['degradation']
    expected = section_reading.read_options(
        {'preset': 'dvd', 'first': {'noise': None}, 'last': {'video': {'probability': 0.25}}}, 'expected'
    )
    assert degradation['scale'] == 2
    assert degradation['options']['preset'] == 'dvd'
    assert degradation['options']['first']['noise'] is None
    assert degradation['options']['last']['video']['probability'] == 0.25
    assert degradation['options']['last']['video']['gop'] == list(expected.last.video.gop)


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        ([*REALISTIC, '--copies', '0'], '--copies must be at least 1, got 0'),
        (['--degradation', 'BI', '--copies', '2'], '--copies belongs to --degradation realistic'),
        (['--degradation', 'BD', '--seed', '0'], '--seed belongs to --degradation realistic'),
        (['--preset', 'dvd'], '--preset belongs to --degradation realistic'),
        (['--degradation-options', 'own.yml'], '--degradation-options belongs to --degradation realistic'),
        ([*REALISTIC, '--lq-source', 'X4'], 'Use one of both'),
        ([*REALISTIC, '--degradation-options', 'none.yml'], 'none.yml does not exist'),
        ([*REALISTIC, '--degradation-options', 'GT'], 'GT is a folder'),
        ([*REALISTIC, '--degradation-options', 'cut.yml'], 'cut.yml:2, column'),
        ([*REALISTIC, '--degradation-options', 'empty.yml'], 'empty.yml is empty'),
        ([*REALISTIC, '--degradation-options', 'list.yml'], 'list.yml is no option file'),
        ([*REALISTIC, '--degradation-options', 'typo.yml'], 'typo.yml: degradation.first.blurr is no option here. Did'),
        ([*REALISTIC, '--degradation-options', 'range.yml'], 'range.yml: degradation.first.blur.sigma must have the'),
        (
            [*REALISTIC, '--degradation-options', 'type.yml'],
            "type.yml: type must be realistic, or left out, got 'BI'",
        ),
        (
            [*REALISTIC, '--degradation-options', 'preset.yml', '--preset', 'dvd'],
            'preset.yml has a preset, web',
        ),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_made(clip_root, monkeypatch, host_log, flags, message):
    monkeypatch.chdir(clip_root)
    for name, text in {
        'own': 'first: ~', 'cut': 'first: {blur:\n', 'empty': '', 'list': '[1]', 'typo': 'first: {blurr: ~}',
        'range': 'first: {blur: {sigma: [2, 1]}}', 'type': 'type: BI', 'preset': 'preset: web',
    }.items():  # fmt: skip
        (clip_root / f'{name}.yml').write_text(text)
    assert prepare('GT', 'out.lmdb', *flags) == 1
    assert message in host_log[-1]
    assert not list(clip_root.glob('*out*'))


def test_a_target_is_not_made_of_itself(clip_root, host_log):
    target = clip_root / 'gt.lmdb'
    for flags in (['--degradation', 'BI'], REALISTIC):
        assert prepare(clip_root / 'GT', target, *flags, '--lq-target', clip_root / 'GT/../gt.lmdb', '--force') == 1
        assert 'gt.lmdb would be the target of both. Choose another --lq-target' in host_log[-1]
        assert not target.exists()


def test_an_unknown_preset_is_refused(clip_root, capsys):
    with pytest.raises(SystemExit):
        prepare(clip_root / 'GT', clip_root / 'out.lmdb', *REALISTIC, '--preset', 'vhs')
    assert "invalid choice: 'vhs'" in capsys.readouterr().err
