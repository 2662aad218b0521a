import json
import shutil

import cv2
import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from dlvr_plugin.cli import figure
from dlvr_plugin.cli.main import parse
from dlvr_plugin.cli.named_folders import parse_results
from tests.conftest import make_clip

METRICS = {
    'psnr': {'label': 'PSNR', 'direction': 'higher', 'decimals': 2, 'unit': 'dB'},
    'tof': {'label': 'tOF', 'direction': 'lower', 'decimals': 3, 'unit': ''},
}
BOX = ['--box', 8, 16, 24, 32]


def draw(*arguments):
    figure.run(parse(['figure', *map(str, arguments)]))


@pytest.fixture
def clips(tmp_path):
    """A clip of the ground truth, and of two methods: one perfect, one plain blue."""
    make_clip(tmp_path / 'GT' / 'walk', 4, (64, 80))
    shutil.copytree(tmp_path / 'GT', tmp_path / 'perfect')
    (tmp_path / 'blue' / 'walk').mkdir(parents=True)
    for index in range(4):
        assert cv2.imwrite(str(tmp_path / f'blue/walk/{index:08d}.png'), np.full((64, 80, 3), (255, 0, 0), np.uint8))
    return tmp_path


@pytest.fixture
def sources(clips):
    results = (f'blue={clips / "blue"}', f'perfect={clips / "perfect"}')
    return ['--gt', clips / 'GT', '--results', *results, '--clip', 'walk', '--dpi', 60]


def write_evaluation(folder, methods, roots=None, **other):
    folder.mkdir()
    entries = {
        name: {
            'root': str((roots or {}).get(name, name)),
            'mean': dict(zip(METRICS, values, strict=True)),
            'clips': {
                'walk': {
                    'mean': dict(zip(METRICS, values, strict=True)),
                    'frames': {'psnr': [20.0, 21.123, None, 1e999], 'tof': [None] * 4},
                    'sha256': {},
                }
            },
        }
        for name, values in methods.items()
    }
    walk = {'size': [64, 80], 'frames': ['0', '1', '2', '3'], 'frame_rate': None, 'sha256': {}}
    content = {'format': 1, 'protocol': {}, 'versions': {}, 'metrics': METRICS, 'gt_root': 'GT'}
    content.update(clips={'walk': walk}, methods=entries)
    text = json.dumps({**content, **other}).replace('Infinity', '1e999')
    (folder / 'metrics.json').write_text(text)
    return folder


def is_png(path):
    return cv2.imread(str(path)) is not None


def test_crops_in_both_formats(clips, sources, host_log):
    draw('crops', *sources, '--frame', 2, *BOX, '--box', 0, 0, 8, 16, '--profile-row', 12, '--out', clips / 'out')
    assert is_png(clips / 'out.png')
    assert (clips / 'out.pdf').read_bytes().startswith(b'%PDF')
    assert [line.split()[0] for line in host_log] == [str(clips / 'out.png'), str(clips / 'out.pdf')]
    image = cv2.imread(str(clips / 'out.png'))
    assert (image == (255, 0, 0)).all(axis=-1).mean() > 0.03  # the crops of the plain method


def test_figures_have_a_default_name(clips, sources, monkeypatch):
    monkeypatch.chdir(clips)
    draw('profile', *sources, '--column', 79, '--range', 10, 64)
    draw('flow', *sources, '--frame', 1, '--max-length', 2)
    assert {path.stem for path in clips.glob('*.pdf')} == {'profile_walk_column_79', 'flow_walk_1'}
    assert is_png('flow_walk_1.png')


def test_an_evaluation_gives_the_clips_and_the_metrics(clips, monkeypatch):
    roots = {name: clips / name for name in ('blue', 'perfect')}
    evaluation = write_evaluation(
        clips / 'evaluation', {'blue': (20, 1), 'perfect': (30, 0)}, roots, gt_root=str(clips / 'GT')
    )
    all_notes, captions = [], []
    original = figure.figure_frames.draw_crops
    monkeypatch.setattr(
        figure.figure_frames,
        'draw_crops',
        lambda *args, caption, notes, **kwargs: (
            captions.append(caption),
            all_notes.append(notes),
            original(*args, caption=caption, notes=notes, **kwargs),
        )[-1],
    )
    for frame in range(4):
        out = clips / f'{frame}.png'
        draw('crops', '--evaluation', evaluation, '--clip', 'walk', '--frame', frame, *BOX, '--out', out)
        assert is_png(out)
    assert [notes['blue'] for notes in all_notes] == ['20.00', '21.12', '–', 'inf']
    assert captions[0] == 'walk, frame 0: PSNR↑'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['crops', '--frame', 4, *BOX], '--frame must be 0 to 3'),
        (['crops', '--frame', -1, *BOX], '--frame must be 0 to 3'),
        (['flow', '--frame', 0], '--frame must be 1 to 3'),
        (['flow', '--frame', 1, '--max-length', 0], '--max-length must be above 0'),
        (['crops', '--frame', 0, '--box', 50, 0, 15, 10], r'--box 50 0 15 10 .* \(64, 80\)'),
        (['crops', '--frame', 0, '--box', -1, 0, 15, 10], '--box'),
        (['crops', '--frame', 0, '--box', 0, 0, 0, 10], '--box'),
        (['crops', '--frame', 0, *BOX, '--profile-row', 64], '--profile-row must be 0 to 63'),
        (['crops', '--frame', 0, *BOX, '--profile-row', 32], 'none of the boxes'),
        (['profile', '--row', 64], '--row must be 0 to 63'),
        (['profile', '--column', 80], '--column must be 0 to 79'),
        (['profile', '--row', 0, '--range', 5, 5], '--range must be within 0 to 80'),
        (['profile', '--row', 0, '--out', 'a.svg'], r'\.svg'),
        (['profile', '--row', 0, '--dpi', 0], '--dpi'),
        (['profile', '--row', 0, '--clip', 'wall'], 'no clip wall in .* walk'),
        (['profile', '--row', 0, '--results', 'GT=x'], 'stands for the ground truth'),
    ],
)
def test_wrong_arguments(sources, arguments, message):
    kind, *rest = arguments
    with pytest.raises(ValueError, match=message):
        draw(kind, *sources, *rest)


def test_clips_that_differ(clips, sources):
    (clips / 'blue/walk/00000003.png').unlink()
    with pytest.raises(ValueError, match='blue has 3 frames of clip walk, the ground truth 4'):
        draw('profile', *sources, '--row', 0)
    assert cv2.imwrite(str(clips / 'blue/walk/00000003.png'), np.zeros((64, 76, 3), np.uint8))
    with pytest.raises(ValueError, match=r'\(64, 76\)'):
        draw('profile', *sources, '--row', 0)
    with pytest.raises(ValueError, match='--evaluation DIR'):
        draw('profile', '--gt', clips / 'GT', '--clip', 'walk', '--row', 0)


def test_curves_of_runs(tmp_path):
    for name in ('one', 'two'):
        with SummaryWriter(str(tmp_path / name)) as writer:
            for step in range(5):
                writer.add_scalar('losses/l_g_pix', 1 / (step + 1), step)
    runs = (tmp_path / 'one', tmp_path / 'two')
    draw('curves', *runs, '--out', tmp_path / 'curves.png', '--dpi', 50)
    assert is_png(tmp_path / 'curves.png')
    assert not (tmp_path / 'curves.pdf').exists()
    for arguments, message in (
        (['--tags', 'l_x'], '--tags: There is no tag l_x .*l_g_pix'),
        (['--labels', 'a'], '--labels must name every run'),
        (['--labels', 'a', 'a'], 'different names'),
        (['--smooth', 1], '--smooth must be'),
        ([tmp_path], 'holds no event files'),
    ):
        with pytest.raises(ValueError, match=message):
            draw('curves', *runs, *arguments)


def test_tradeoff_of_evaluations(tmp_path, host_log):
    first = write_evaluation(tmp_path / 'first', {'ours@5000': (25, 0.2), 'EDVR': (26, 0.3)})
    second = write_evaluation(
        tmp_path / 'second',
        {'ours@9000': (24, 0.1), 'EDVR': (26, 0.3), 'GT': (float('inf'), 0)},
        protocol={'border': 8},
    )
    draw('tradeoff', first, second, '--out', tmp_path / 'tradeoff.pdf')
    assert (tmp_path / 'tradeoff.pdf').read_bytes().startswith(b'%PDF')
    draw('tradeoff', '--evaluation', first, second, '--out', tmp_path / 'same.pdf')
    assert (tmp_path / 'same.pdf').is_file()
    with pytest.raises(ValueError, match='at least one output of dlvr evaluate'):
        draw('tradeoff', '--y', 'tof')
    assert any('differ in "protocol"' in line for line in host_log)
    assert any('GT is left out' in line for line in host_log)
    with pytest.raises(ValueError, match='--y: .*first has no metric lpips, but psnr, tof'):
        draw('tradeoff', first, '--y', 'lpips')
    with pytest.raises(ValueError, match='--x'):
        draw('tradeoff', first, '--x', 'ssim')
    with pytest.raises(ValueError, match='share none of lpips'):
        draw('tradeoff', first, '--x', 'tof')
    other = write_evaluation(tmp_path / 'other', {'EDVR': (27, 0.3)})
    with pytest.raises(ValueError, match='other values of the method EDVR'):
        draw('tradeoff', first, other)


def test_named_folders():
    folders = parse_results(['b=x/y', 'a=z=1'])
    assert {name: str(path) for name, path in folders.items()} == {'b': 'x/y', 'a': 'z=1'}
    assert list(folders) == ['b', 'a']
    for items, message in (
        (['results/ours'], "expected NAME=DIR, .*'results/ours'"),
        (['=x'], 'the name is empty'),
        (['a='], 'the folder is empty'),
        (['a=x', 'a=y'], "two folders have the name 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            parse_results(items)
