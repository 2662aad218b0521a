import csv
import hashlib
import json
import os
import re
from urllib.error import URLError

import cv2
import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.metrics import METRICS
from tests.conftest import make_clip
from tests.helpers import write_video


@pytest.fixture
def folders(tmp_path):
    for index, clip in enumerate(('a', 'b')):
        make_clip(tmp_path / 'gt' / clip, 8, (48, 64), seed=index)
    for method, sigma in (('weak_blur', 0.8), ('strong', 1.5), ('middle', 1.1)):
        for path in sorted((tmp_path / 'gt').glob('*/*')):
            target = tmp_path / method / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), sigma))
    return tmp_path


def evaluate(folders, *arguments, methods=('weak_blur', 'strong', 'middle')):
    results = [f'{method}={folders / method}' for method in methods]
    return main(['evaluate', '--gt', str(folders / 'gt'), '--jobs', '1', '--results', *results, *map(str, arguments)])


def test_files_and_table(folders, capsys):
    assert evaluate(folders, '--out', folders / 'out') == 0
    printed = capsys.readouterr().out
    content = json.loads((folders / 'out' / 'metrics.json').read_text())
    means = {method: entry['mean'] for method, entry in content['methods'].items()}
    assert list(means) == ['weak_blur', 'strong', 'middle']
    best, second = means['weak_blur'], means['middle']
    row = next(line for line in printed.split('mean of 2 clips')[1].splitlines() if line.startswith('weak_blur'))
    assert row.split() == ['weak_blur', f'*{best["psnr"]:.2f}*', f'*{best["ssim"]:.4f}*', f'*{best["tof"]:.4f}*']
    assert 'PSNR↑' in printed
    assert 'tOF↓' in printed
    assert 'Protocol: skip_frames 2, average clip, crop_border 8, color_space rgb, tof_norm euclidean' in printed
    markdown = (folders / 'out' / 'table.md').read_text()
    assert markdown.startswith('| Method | PSNR↑ | SSIM↑ | tOF↓ |\n| --- | ---: | ---: | ---: |\n')
    assert f'| middle | <u>{second["psnr"]:.2f}</u> |' in markdown
    latex = (folders / 'out' / 'table.tex').read_text()
    assert f'weak\\_blur & \\textbf{{{best["psnr"]:.2f}}}' in latex
    assert r'Method & PSNR$\uparrow$ & SSIM$\uparrow$ & tOF$\downarrow$ \\' in latex
    with (folders / 'out' / 'metrics.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 8
    values = [float(row['psnr']) for row in rows if row['method'] == 'strong' and row['psnr']]
    assert sum(values) / len(values) == pytest.approx(means['strong']['psnr'])
    assert [row['tof'] == '' for row in rows[:8]] == [True] * 3 + [False] * 3 + [True] * 2
    interval = content['methods']['strong']['intervals']['psnr']
    assert interval['frames'][0] <= means['strong']['psnr'] <= interval['frames'][1]


def test_a_second_call_measures_nothing_again(folders, capsys, monkeypatch):
    assert evaluate(folders, '--out', folders / 'out') == 0
    first = (folders / 'out' / 'metrics.json').read_text()
    monkeypatch.setattr('dlvr_plugin.evaluation.parts.measure_frames', None)
    assert evaluate(folders, '--out', folders / 'out') == 0
    assert (folders / 'out' / 'metrics.json').read_text() == first


def test_options_reach_the_protocol(folders):
    arguments = ['--metrics', 'psnr', 'tof', '--skip-frames', '0', '--crop-border', '4', '--color-space', 'y']
    arguments += ['--tof-norm', 'absolute', '--tof-crop', 'border', '--average', 'frame', '--clips', 'b']
    assert evaluate(folders, *arguments, '--out', folders / 'out', methods=('strong',)) == 0
    content = json.loads((folders / 'out' / 'metrics.json').read_text())
    assert content['protocol'] == {
        'skip_frames': 0,
        'average': 'frame',
        'crop_border': 4,
        'color_space': 'y',
        'tof_norm': 'absolute',
        'tof_crop': 'border',
    }
    assert list(content['clips']) == ['b']


def test_frames_that_are_numbered_from_one_are_taken_in_their_order(folders, host_log):
    for clip in ('a', 'b'):
        for index, path in reversed(list(enumerate(sorted((folders / 'strong' / clip).iterdir()), start=1))):
            path.rename(path.with_name(f'{index}.png'))
    assert evaluate(folders, methods=('strong',)) == 1
    assert any('1 with 00000000 and so on, say --match order' in message for message in host_log)
    assert evaluate(folders, '--match', 'order', '--out', folders / 'out', methods=('strong', 'middle')) == 0
    assert main(['report', str(folders / 'out')]) == 0


def test_the_help_lists_every_metric(capsys):
    with pytest.raises(SystemExit):
        main(['evaluate', '--help'])
    printed = capsys.readouterr().out
    assert all(f'\n  {name} ' in printed for name in METRICS)


def test_random_weights_are_labelled(folders, capsys, host_log):
    arguments = ['--metrics', 'lpips', '--lpips-random-weights', '--out', folders / 'out']
    assert evaluate(folders, *arguments, methods=('strong',)) == 0
    assert 'LPIPS (random weights)↓' in capsys.readouterr().out
    assert any('not the published ones: random' in message for message in host_log)
    assert 'LPIPS (random weights)' in (folders / 'out' / 'table.tex').read_text()


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise URLError('no network')

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('torch.hub.urlopen', refuse)


@pytest.mark.usefixtures('no_weights')
def test_metrics_without_their_weights_may_be_left_out(folders, capsys, host_log):
    arguments = ['--metrics', 'lpips', 'psnr', 'tlp', '--missing', 'leave-out', '--out', folders / 'out']
    assert evaluate(folders, *arguments, methods=('strong',)) == 0
    content = json.loads((folders / 'out' / 'metrics.json').read_text())
    assert list(content['metrics']) == ['psnr']
    told = content['protocol']['not_measured']
    assert re.fullmatch(r'LPIPS, tLP \(.*alexnet-owt-7be5be79.pth cannot be downloaded.*--lpips-weights.*\)', told)
    assert told in capsys.readouterr().out
    assert any(message.startswith('tLP is left out: ') for message in host_log)


@pytest.mark.usefixtures('no_weights')
@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['lpips', 'psnr'], 'alexnet-owt-7be5be79.pth cannot be downloaded'),
        (['lpips', 'tlp', '--missing', 'leave-out'], 'alexnet-owt-7be5be79.pth cannot be downloaded'),
        (['lpips', 'psnr', '--missing', 'leave-out', '--lpips-weights', 'none.pth'], 'none.pth does not exist'),
        (['lpips', 'mse', '--missing', 'leave-out'], "metrics must be some of psnr, .*, got 'mse'"),
    ],
)
def test_what_is_missing_may_be_an_error(folders, arguments, message, host_log):
    assert evaluate(folders, '--out', folders / 'out', '--metrics', *arguments, methods=('strong',)) == 1
    assert any(re.search(message, each) for each in host_log)
    assert not (folders / 'out').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--metrics', 'mse'], "metrics must be some of psnr, .*, got 'mse'"),
        (['--jobs', '0'], '--jobs must be at least 1, got 0'),
        (['--skip-frames', '4'], 'Clip a of .*gt has 8 frames, too few'),
        (['--clips', 'z'], 'Clip z is missing in .*gt'),
        (['--device', 'tpu'], "--device must be cpu or cuda, got 'tpu'"),
        (['--metrics', 'lpips', '--lpips-weights', 'none.pth'], 'none.pth does not exist'),
    ],
)
def test_bad_arguments_end_with_a_message(folders, arguments, message, host_log):
    assert evaluate(folders, *arguments) == 1
    assert any(re.search(message, each) for each in host_log)


def test_an_output_that_cannot_be_written_is_said_before_the_work(folders, host_log):
    (folders / 'file').touch()
    assert evaluate(folders, '--out', folders / 'file' / 'out') == 1
    assert any('file/out' in message for message in host_log)
    if os.getuid() != 0:
        (folders / 'locked').mkdir(mode=0o500)
        assert evaluate(folders, '--out', folders / 'locked' / 'out') == 1


def test_an_output_in_use_is_refused(folders, host_log):
    out = folders / 'out'
    with FolderLock(lock_inside(out), out):
        assert evaluate(folders, '--out', out) == 1
        assert [path.name for path in out.iterdir()] == ['.lock']
    assert any(f'out is in use: process {os.getpid()} on' in message for message in host_log)
    assert evaluate(folders, '--out', out) == 0
    assert not (out / '.lock').exists()


def test_an_evaluation_that_cannot_begin_makes_no_folder(folders):
    assert evaluate(folders, '--out', folders / 'new' / 'out', '--clips', 'missing') == 1
    assert not (folders / 'new').exists()


def test_a_video_with_fewer_frames_is_named(folders, host_log):
    (folders / 'videos').mkdir()
    for clip in ('a', 'b'):
        frames = [cv2.imread(str(path)) for path in sorted((folders / 'gt' / clip).iterdir())][
            : 8 if clip == 'a' else 7
        ]
        write_video(folders / f'videos/{clip}.avi', frames)
    assert evaluate(folders, methods=('videos',)) == 1
    assert any('videos: clip b of ' in m and 'has 7 frames; its ground truth has 8' in m for m in host_log)


def test_the_chain_from_frames_to_the_page(folders):
    assert evaluate(folders, '--out', folders / 'out') == 0
    picture, page = folders / 'crops.png', folders / 'out' / 'report' / 'index.html'
    crops = ['figure', 'crops', '--evaluation', folders / 'out', '--clip', 'b', '--frame', '3', '--out', picture]
    assert main([*map(str, crops), '--box', '8', '8', '16', '24']) == 0
    assert main(['report', str(folders / 'out')]) == 0
    assert cv2.imread(str(picture)) is not None
    assert 'weak_blur' in page.read_text()
    assert len(list((page.parent / 'frames').rglob('*.png'))) == 4 * 2 * 8


def test_results_in_an_lmdb_that_was_made_anew_are_measured_anew(folders, host_log):
    def prepare(source):
        arguments = [str(folders / source), str(folders / 'r.lmdb'), '--codec', 'png', '--force', '--jobs', '1']
        assert main(['data', 'prepare', *arguments]) == 0

    def psnr():
        assert evaluate(folders, '--metrics', 'psnr', '--out', folders / 'out', methods=('r.lmdb',)) == 0
        return json.loads((folders / 'out' / 'metrics.json').read_text())['methods']['r.lmdb']['mean']['psnr']

    prepare('strong')
    strong = psnr()
    prepare('weak_blur')
    assert main(['report', str(folders / 'out')]) == 1
    assert any('r.lmdb: 00000000 of clip a in ' in message and 'has changed since' in message for message in host_log)
    assert psnr() > strong + 1
    assert main(['report', str(folders / 'out')]) == 0
    # An evaluation of an older version, which knows the list of frames alone, can still be shown.
    path = folders / 'out' / 'metrics.json'
    content = json.loads(path.read_text())
    digest = hashlib.sha256((folders / 'r.lmdb' / 'meta_info.txt').read_bytes()).hexdigest()
    for clip in content['methods']['r.lmdb']['clips'].values():
        clip['sha256'] = {'meta_info.txt': digest}
    path.write_text(json.dumps(content))
    assert main(['report', str(folders / 'out')]) == 0
