"""Evaluations without ground truth, from the command to tables, page, figures and survey."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest
from basicsr.metrics import calculate_niqe, calculate_psnr
from basicsr.utils.matlab_functions import imresize

from dlvr_plugin.cli.main import main
from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.evaluation.evaluation_file import read_evaluation
from dlvr_plugin.metrics import consistency, flicker, sharpness
from dlvr_plugin.report.page_template import describe_frames
from tests.conftest import make_clip
from tests.helpers import make_lmdb, make_lq, write_video

METRICS = ['flicker', 'sharpness', 'consistency']


@pytest.fixture
def folders(tmp_path):
    """Low-quality clips, and what two methods made of them; each names its frames as the test command does."""
    for index, clip in enumerate(('a', 'b')):
        make_clip(tmp_path / 'truth' / clip, 7, (48, 64), seed=index)
    make_lq(tmp_path / 'truth', tmp_path / 'lq')
    for method, sigma in (('soft', 1.5), ('sharp', 0.5)):
        for path in sorted((tmp_path / 'truth').glob('*/*')):
            target = tmp_path / method / path.parent.name / f'{path.stem}_my_{method}.png'
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), sigma))
    return tmp_path


def evaluate(folders, *arguments, methods=('soft', 'sharp'), lq='lq'):
    results = [f'{method}={folders / method}' for method in methods]
    words = ['evaluate', '--jobs', '1', '--results', *results, '--out', str(folders / 'out'), *map(str, arguments)]
    return main([*words, '--input', str(folders / lq)] if lq else words)


def read(folder):
    return [cv2.imread(str(path)) for path in sorted(folder.iterdir())]


def test_values_are_those_of_the_definitions(folders, capsys):
    assert evaluate(folders, '--metrics', *METRICS, '--jobs', '2') == 0
    content = json.loads((folders / 'out/metrics.json').read_text())
    assert 'gt_root' not in content
    assert content['input']['scale'] == 4
    assert content['clips']['a'].keys() == {'size', 'frames', 'frame_rate'}
    assert content['clips']['a']['frames'] == [f'{index:08d}' for index in range(7)]
    for method in ('soft', 'sharp'):
        for clip in ('a', 'b'):
            images, small = read(folders / method / clip), read(folders / 'lq' / clip)
            frames = content['methods'][method]['clips'][clip]['frames']
            for index in (2, 3, 4):
                assert frames['sharpness'][index] == sharpness(images[index])
                shrunk = np.round(np.clip(imresize(images[index] / 255.0, 0.25), 0, 1) * 255)
                expected = calculate_psnr(shrunk, small[index], 0)
                assert frames['consistency'][index] == pytest.approx(expected, abs=0.1)  # ties may be rounded otherwise
            for index in (3, 4):
                assert frames['flicker'][index] == pytest.approx(flicker(images[index - 1], images[index]))
            assert [value is None for value in frames['flicker']] == [True] * 3 + [False] * 2 + [True] * 2
    means = {method: entry['mean'] for method, entry in content['methods'].items()}
    assert means['sharp']['sharpness'] > means['soft']['sharpness']
    assert means['sharp']['consistency'] > means['soft']['consistency']
    printed = capsys.readouterr().out
    assert 'ground_truth none, input_scale 4.' in printed
    assert 'consistency↑' in printed
    assert 'ground_truth none' in (folders / 'out/table.md').read_text()


def test_by_default_all_that_can_be_measured_is(tmp_path, capsys):
    make_clip(tmp_path / 'one/a', 6, (120, 216))
    make_lq(tmp_path / 'one', tmp_path / 'lq')
    assert evaluate(tmp_path, methods=('one',), lq=None) == 0
    evaluation = read_evaluation(tmp_path / 'out')
    assert list(evaluation['metrics']) == ['flicker', 'niqe', 'sharpness']
    expected = np.mean([calculate_niqe(image, 8) for image in read(tmp_path / 'one/a')[2:4]])
    assert evaluation['methods']['one']['mean']['niqe'] == pytest.approx(expected)
    assert evaluate(tmp_path, methods=('one',)) == 0
    assert list(read_evaluation(tmp_path / 'out')['metrics']) == ['flicker', 'niqe', 'sharpness', 'consistency']


def test_with_ground_truth_nothing_is_different_but_for_the_input(folders, capsys):
    results = [f'{method}={folders / method}' for method in ('soft', 'sharp')]
    words = ['evaluate', '--jobs', '1', '--gt', str(folders / 'truth'), '--results', *results]
    assert main([*words, '--out', str(folders / 'plain')]) == 0
    assert main([*words, '--out', str(folders / 'more'), '--input', str(folders / 'lq')]) == 0
    plain, more = (read_evaluation(folders / name) for name in ('plain', 'more'))
    assert list(plain['metrics']) == ['psnr', 'ssim', 'tof']
    assert 'input' not in plain
    assert more.pop('input')['scale'] == 4
    assert more['protocol'].pop('input_scale') == 4
    assert more == plain
    command = [*words, '--out', str(folders / 'more'), '--input', str(folders / 'lq'), '--metrics', 'consistency']
    assert main(command) == 0
    assert main(['report', str(folders / 'more')]) == 0
    page = (folders / 'more/report/index.html').read_text()
    names = re.findall(r'"name": "(soft|sharp|Input \(bicubic\)|GT)"', page)
    assert names == ['soft', 'sharp', 'Input (bicubic)', 'GT']


def test_a_second_call_measures_nothing_again_until_the_input_changes(folders, monkeypatch):
    assert evaluate(folders, '--metrics', *METRICS) == 0
    first = (folders / 'out/metrics.json').read_text()
    with monkeypatch.context() as patch:
        patch.setattr('dlvr_plugin.evaluation.parts.measure_frames', None)
        assert evaluate(folders, '--metrics', *METRICS) == 0
    assert (folders / 'out/metrics.json').read_text() == first
    changed = folders / 'lq/a/00000003.png'
    cv2.imwrite(str(changed), 255 - cv2.imread(str(changed)))
    assert evaluate(folders, '--metrics', *METRICS) == 0
    before, after = json.loads(first), read_evaluation(folders / 'out')
    for metric, is_same in (('flicker', True), ('sharpness', True), ('consistency', False)):
        means = [each['methods']['soft']['mean'][metric] for each in (before, after)]
        assert (means[0] == means[1]) == is_same


@pytest.mark.filterwarnings('error::UserWarning')  # PyTorch's, of arrays that are read-only
def test_inputs_and_results_may_be_stores(folders):
    assert evaluate(folders, '--metrics', *METRICS) == 0
    expected = read_evaluation(folders / 'out')['methods']
    for name in ('lq', 'soft', 'sharp'):
        make_lmdb(folders / name, folders / f'{name}.lmdb')
    assert evaluate(folders, '--metrics', *METRICS, methods=('soft.lmdb', 'sharp.lmdb'), lq='lq.lmdb') == 0
    found = read_evaluation(folders / 'out')['methods']
    for method in ('soft', 'sharp'):
        assert found[f'{method}.lmdb']['mean'] == expected[method]['mean']
    assert main(['report', str(folders / 'out')]) == 0


def test_inputs_and_results_may_be_videos(folders):
    for name in ('lq', 'soft'):
        (folders / f'{name}_videos').mkdir()
        for clip in ('a', 'b'):
            write_video(folders / f'{name}_videos/{clip}.avi', read(folders / name / clip))
    assert evaluate(folders, '--metrics', *METRICS, methods=('soft_videos', 'sharp'), lq='lq_videos') == 0
    evaluation = read_evaluation(folders / 'out')
    assert evaluation['clips']['a']['frame_rate'] == 25
    images, small = (list(ClipReader(folders / f'{name}_videos').read_frames('a')) for name in ('soft', 'lq'))
    frames = evaluation['methods']['soft_videos']['clips']['a']['frames']
    for index in (2, 3, 4):
        assert frames['sharpness'][index] == sharpness(images[index])
        assert frames['consistency'][index] == consistency(images[index], small[index])
    assert main(['report', str(folders / 'out')]) == 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--metrics', 'niqe', 'psnr'], 'psnr compares with the ground truth, and there is none. Give it by --gt, or'),
        (['--metrics', 'psnr'], 'take some of flicker, niqe, sharpness, consistency.'),
        (['--metrics', 'warping_error'], 'warping_error compares with the ground truth'),
        (['--metrics', 'lpips'], 'lpips compares with the ground truth'),
        (['--metrics', 'sharpnes'], "got 'sharpnes'"),
        (['--metrics', 'sharpness', '--clips', 'c'], 'Clip c is missing in'),
        (['--metrics', 'sharpness', '--skip-frames', '4'], 'has 7 frames, too few where 4 are left out'),
        (['--metrics', 'niqe'], 'niqe of clip a, frame 2: NIQE compares blocks of 96x96 pixels'),
    ],
)
def test_what_cannot_be_measured_is_told(folders, host_log, arguments, message):
    assert evaluate(folders, *arguments) == 1
    assert message in host_log[-1]
    assert not (folders / 'out/metrics.json').exists()


def test_consistency_needs_the_input(folders, host_log):
    assert evaluate(folders, '--metrics', 'consistency', lq=None) == 1
    assert 'consistency compares with the low-quality frames that were restored. Give them by --input.' in host_log[-1]
    assert evaluate(folders, '--metrics', 'psnr', lq=None) == 1
    assert 'take some of flicker, niqe, sharpness.' in host_log[-1]


def test_the_warping_error_along_the_own_motion_is_the_flicker(folders):
    metrics = ('flicker', 'warping_error')
    assert evaluate(folders, '--metrics', *metrics, '--warping-frames', 'result', lq=None) == 0
    for method in read_evaluation(folders / 'out')['methods'].values():
        assert method['mean']['flicker'] == method['mean']['warping_error']


def replace(folder, index, size):
    path = sorted(folder.iterdir())[index]
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), size))


@pytest.mark.parametrize(
    ('name', 'change', 'message'),
    [
        ('sharp', lambda folder: sorted(folder.iterdir())[3].unlink(), 'sharp: clip a of .* lacks the frames 00000003'),
        ('sharp', lambda folder: shutil.rmtree(folder), 'sharp: clip a is missing in'),
        ('sharp', lambda folder: replace(folder, 0, (60, 48)), '48x60 pixels .h x w., its counterpart in soft 48x64'),
        ('sharp', lambda folder: replace(folder, 3, (60, 48)), r'frame 3: sharp is of another size than the first'),
        (
            'lq',
            lambda folder: replace(folder, 0, (15, 12)),
            '12x15 pixels .h x w., the results 48x64; expected a',
        ),
        (
            'lq',
            lambda folder: replace(folder, 3, (15, 12)),
            'frame 3: The restored image .48, 64. is no whole',
        ),
        ('lq', lambda folder: replace(folder, 3, (32, 24)), ''),
        ('lq', lambda folder: sorted(folder.iterdir())[3].unlink(), 'soft: clip a .* frames without input: 00000003'),
        ('lq', lambda folder: shutil.rmtree(folder), 'soft: clip a of .* has no input in'),
    ],
)
def test_clips_that_do_not_belong_together(folders, host_log, name, change, message):
    change(folders / name / 'a')
    code = evaluate(folders, '--metrics', *METRICS)
    if message:
        assert code == 1
        assert re.search(message, host_log[-1]), host_log[-1]
        return
    assert code == 0  # a frame of the input that is twice as large as the others measures, and is not shown
    assert main(['report', str(folders / 'out')]) == 1
    assert re.search(
        r'of the input is \(24, 32\) \(h, w\), 4 times as large \(96, 128\); expected \(48, 64\)', host_log[-1]
    )


def test_the_first_method_says_which_frames_there_are(folders, host_log):
    shutil.rmtree(folders / 'sharp/b')
    assert evaluate(folders, '--metrics', 'sharpness', lq=None) == 1
    assert 'sharp: clip b is missing in' in host_log[-1]
    assert evaluate(folders, '--metrics', 'sharpness', lq=None, methods=('sharp', 'soft')) == 1
    assert 'soft: clip b of' in host_log[-1]
    assert 'has no counterpart in sharp in' in host_log[-1]
    sorted((folders / 'soft/a').iterdir())[6].unlink()
    assert evaluate(folders, '--metrics', 'sharpness', '--clips', 'a', lq=None, methods=('sharp', 'soft')) == 1
    assert 'lacks the frames 00000006. Its counterpart in sharp is' in host_log[-1]


def test_scales_of_clips_that_differ(folders, host_log):
    for index in range(7):
        replace(folders / 'lq/b', index, (32, 24))
    assert evaluate(folders, '--metrics', 'sharpness') == 1
    assert 'results of clip b are 2 times as large as the input' in host_log[-1]
    assert evaluate(folders, '--metrics', 'sharpness', '--clips', 'b') == 0
    assert read_evaluation(folders / 'out')['input']['scale'] == 2


@pytest.mark.parametrize('name', ['Input', 'Input (bicubic)', 'GT'])
def test_names_of_what_is_beside_the_methods(folders, host_log, name):
    words = ['evaluate', '--input', str(folders / 'lq'), '--results', f'{name}={folders / "soft"}']
    assert main([*words, '--metrics', 'sharpness']) == 1
    assert f'name {name} stands for the' in host_log[-1]


def test_page_without_truth(folders, host_log):
    assert evaluate(folders, '--metrics', *METRICS) == 0
    assert main(['report', str(folders / 'out'), '--pairs', 'sharp:soft']) == 0
    text = (folders / 'out/report/index.html').read_text()
    assert '2 methods, 2 clips, 14 frames, no ground truth' in text
    assert 'the input is enlarged by bicubic interpolation' in text
    found = re.search('<p class="finding">(.*?)</p>', text)[1]
    assert 'in steadiness (flicker' in found
    assert 'in sharpness (sharpness' in found
    assert 'in consistency with the input (consistency' in found
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert [each['name'] for each in data['methods']] == ['soft', 'sharp', 'Input (bicubic)']
    assert data['methods'][2]['mean'] is None
    shown = cv2.imread(str(folders / 'out/report/frames/Input-bicubic/a/00000003.png'))
    expected = np.round(np.clip(imresize(read(folders / 'lq/a')[3] / 255.0, 4), 0, 1) * 255)
    assert np.abs(shown - expected).max() <= 1
    changed = folders / 'lq/a/00000003.png'
    cv2.imwrite(str(changed), 255 - cv2.imread(str(changed)))
    assert main(['report', str(folders / 'out')]) == 1
    assert 'Input: 00000003.png of clip a' in host_log[-1]
    assert 'has changed since it was evaluated' in host_log[-1]


def test_page_of_one_method_alone(folders):
    assert evaluate(folders, '--metrics', 'sharpness', methods=('soft',), lq=None) == 0
    assert main(['report', str(folders / 'out')]) == 0
    text = (folders / 'out/report/index.html').read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert data['first_shown'] == [0, 0]
    assert len(data['methods']) == 1


def test_the_footer_tells_of_the_enlarged_input():
    assert describe_frames(2, 10, 'png', 95) == '2 frames, 0.0 MB (PNG, every pixel as measured)'
    assert describe_frames(2, 10, 'png', 95, is_input_enlarged=True).endswith(
        '; the input is enlarged by bicubic interpolation)'
    )


def figure(folders, kind, *words):
    command = ['figure', kind, '--evaluation', str(folders / 'out'), '--clip', 'a', '--dpi', '60']
    return main([*command, '--out', str(folders / f'{kind}.png'), *map(str, words)])


def test_figures_without_truth(folders, host_log, monkeypatch):
    assert evaluate(folders, '--metrics', *METRICS) == 0
    drawn = {}
    for name in ('draw_crops', 'draw_profiles', 'draw_flow_maps'):
        original = getattr(__import__('dlvr_plugin.cli.figure_frames', fromlist=['x']), name)

        def draw(*args, name=name, original=original, **kwargs):
            drawn[name] = (args, kwargs)
            return original(*args, **kwargs)

        monkeypatch.setattr(f'dlvr_plugin.cli.figure_frames.{name}', draw)
    assert figure(folders, 'crops', '--frame', 3, '--box', 8, 8, 16, 24, '--profile-row', 12) == 0
    (frames, _), options = drawn['draw_crops']
    assert list(frames) == ['Input (bicubic)', 'soft', 'sharp']
    assert {image.shape for image in frames.values()} == {(48, 64, 3)}
    assert options['caption'] == 'a, frame 3 of sharp: flicker x1e3↓ / sharpness↑'
    assert options['notes'].keys() == {'soft', 'sharp'}
    assert figure(folders, 'profile', '--row', 12) == 0
    assert drawn['draw_profiles'][1]['caption'] == 'a, row 12 of sharp'
    assert figure(folders, 'flow', '--frame', 3) == 1
    assert 'compares the flow of methods with that of the ground truth, and the evaluation has none' in host_log[-1]
    assert figure(folders, 'flow', '--frame', 3, '--gt', folders / 'truth') == 0
    assert list(drawn['draw_flow_maps'][0][0]) == ['Input (bicubic)', 'soft', 'sharp', 'GT']


def test_a_survey_without_truth(folders):
    assert evaluate(folders, '--metrics', 'sharpness') == 0
    words = ['survey', 'make', str(folders / 'out'), '--pairs', 'sharp:soft', '--frames', '2', '--participants', '4']
    assert main([*words, '--out', str(folders / 'study')]) == 0
    study = json.loads((folders / 'study/study.json').read_text())
    images = {}
    for kind in ('trial', 'bicubic', 'practice'):
        comparison = next(each for each in study['comparisons'] if each['kind'] == kind)
        files = [study['stimuli'][comparison[side]]['files'][0] for side in ('first', 'second')]
        good, other = (cv2.imread(str(folders / 'study/site/frames' / name)) for name in files)
        images[kind] = good
        assert np.array_equal(good, read(folders / 'sharp' / comparison['clip'])[comparison['frame']])
        assert good.shape == other.shape
        if kind != 'trial':
            small = imresize(good / 255.0, 1 / 8)
            expected = cv2.resize(np.round(np.clip(small, 0, 1) * 255).astype(np.uint8), (64, 48), None, 0, 0, 2)
            assert np.abs(other.astype(int) - expected).max() <= 2
    assert main(['survey', 'table', str(folders / 'study')]) == 0


def test_edited_files_are_named(folders, host_log):
    assert evaluate(folders, '--metrics', 'sharpness') == 0
    file = folders / 'out/metrics.json'
    for keys, value, message in (
        (('gt_root',), 'x', 'clips.a.sha256: is missing'),
        (('clips', 'a', 'sha256'), {}, 'gt_root: is missing'),
        (('input',), [], 'input: expected an object'),
        (('input', 'root'), 5, 'input.root: expected text'),
        (('input', 'scale'), 0, 'input.scale: expected a whole number above 0'),
        (('input', 'scale'), 2**30, 'expected (48, 64), as the results have it'),
        (('input', 'clips'), {}, 'input.clips: expected an object with a, b'),
        (('input', 'clips', 'b', 'sha256'), None, 'input.clips.b.sha256: expected an object'),
    ):
        original = file.read_text()
        content = json.loads(original)
        section = content
        for key in keys[:-1]:
            section = section[key]
        section[keys[-1]] = value
        file.write_text(json.dumps(content))
        assert main(['report', str(folders / 'out')]) == 1
        assert message in host_log[-1]
        assert 'This is a defect' not in host_log[-1]
        file.write_text(original)
