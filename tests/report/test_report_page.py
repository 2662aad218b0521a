import html
import json
import math
import os
import re
import shutil
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from dlvr_plugin.cli import report as report_command
from dlvr_plugin.cli.main import main, parse
from dlvr_plugin.core.errors import DataError, InUseError
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.report import report_page
from dlvr_plugin.report.report_page import ReportOptions, write_report
from tests.report.conftest import CLIPS, METHODS, NUM_FRAMES, colour_of


def read_data(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1]
    return json.loads(text)


def test_page_names_every_frame_and_keeps_its_pixels(evaluation_folder, tmp_path):
    report = write_report(evaluation_folder, tmp_path / 'out')
    assert report.num_frames == 3 * 2 * NUM_FRAMES
    files = [path for path in (tmp_path / 'out').rglob('*') if path.is_file()]
    assert report.num_bytes == sum(path.stat().st_size for path in files)
    data = read_data(report.page)
    assert [method['name'] for method in data['methods']] == [*METHODS, 'GT']
    for index, clip in enumerate(data['clips']):
        assert clip['frame_rate'] == 24
        for method, entry in enumerate(clip['methods']):
            for frame, url in enumerate(entry['urls']):
                image = cv2.imread(str(tmp_path / 'out' / unquote(url)))
                assert np.unique(image.reshape(-1, 3), axis=0).tolist() == [list(colour_of(method, index, frame)[::-1])]


def test_numbers_survive_with_infinity_and_gaps(evaluation_folder, tmp_path):
    data = read_data(write_report(evaluation_folder, tmp_path / 'out').page)
    values = data['clips'][1]['methods'][1]['values']['psnr']
    assert values[0] is None
    assert values[2] == math.inf
    assert data['methods'][1]['mean']['psnr'] == math.inf
    assert data['methods'][2]['mean'] is None


def test_a_pair_is_told_and_shown_first(evaluation_folder, tmp_path):
    options = ReportOptions(pairs=[f'{METHODS[0]}:{METHODS[1]}'])
    page = write_report(evaluation_folder, tmp_path / 'out', options).page
    finding = re.search('<p class="finding">(.*?)</p>', page.read_text())[1]
    assert finding.startswith(f'{METHODS[0]} against {html.escape(METHODS[1])}: better in perceptual quality (LPIPS')
    assert read_data(page)['first_shown'] == [1, 0]


def test_what_was_not_measured_is_told(evaluation_folder, tmp_path):
    file = evaluation_folder / 'metrics.json'
    content = json.loads(file.read_text())
    content['protocol']['not_measured'] = 'VMAF (no <b>program</b>.)'
    file.write_text(json.dumps(content))
    text = write_report(evaluation_folder, tmp_path / 'out').page.read_text()
    assert '<p class="finding">Not measured: VMAF (no &lt;b&gt;program&lt;/b&gt;.)</p>' in text


def test_names_cannot_become_markup(evaluation_folder, tmp_path):
    options = ReportOptions(title='<u>Title</u>')
    text = write_report(evaluation_folder, tmp_path / 'out', options).page.read_text()
    assert METHODS[1] not in text
    assert '<i>' not in text
    assert '<u>' not in text
    assert html.escape('<u>Title</u>') in text
    assert text.count('</script>') == 2
    assert '{{' not in text


def test_file_names_are_plain_and_unique(evaluation_folder, tmp_path):
    path = evaluation_folder / 'metrics.json'
    content = json.loads(path.read_text())
    content['methods'] = dict(zip(['gt', 'a/ü'], content['methods'].values(), strict=True))
    path.write_text(json.dumps(content).replace('Infinity', '1e999'))
    write_report(evaluation_folder, tmp_path / 'out')
    assert {folder.name for folder in (tmp_path / 'out' / 'frames').iterdir()} == {'gt', 'a', 'GT-2'}


def test_embedded_page_is_one_file(evaluation_folder, tmp_path):
    write_report(evaluation_folder, tmp_path / 'out')
    report = write_report(evaluation_folder, tmp_path / 'out', ReportOptions(embed=True))
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['index.html']
    assert report.num_bytes == report.page.stat().st_size
    urls = read_data(report.page)['clips'][0]['methods'][0]['urls']
    assert all(url.startswith('data:image/png;base64,') for url in urls)


@pytest.mark.parametrize(('image_format', 'magic'), [('jpg', b'\xff\xd8'), ('webp', b'RIFF')])
def test_lossy_formats_are_told(evaluation_folder, tmp_path, image_format, magic):
    options = ReportOptions(image_format=image_format, quality=80)
    page = write_report(evaluation_folder, tmp_path / 'out', options).page
    frame = next((tmp_path / 'out' / 'frames').rglob(f'*.{image_format}'))
    assert frame.read_bytes().startswith(magic)
    assert f'{image_format.upper()} of quality 80: compressed' in page.read_text()


def test_clips_can_be_chosen(evaluation_folder, tmp_path):
    data = read_data(write_report(evaluation_folder, tmp_path / 'out', ReportOptions(clips=[CLIPS[1]])).page)
    assert [clip['name'] for clip in data['clips']] == [CLIPS[1]]
    assert data['num_clips'] == 2
    with pytest.raises(ValueError, match='no clip nope; expected some of 000, a clip'):
        write_report(evaluation_folder, tmp_path / 'out', ReportOptions(clips=['nope']))


def test_a_report_is_replaced_and_nothing_else(evaluation_folder, tmp_path):
    page = write_report(evaluation_folder, tmp_path / 'out', ReportOptions(title='One')).page
    (tmp_path / 'out' / 'notes.txt').write_text('mine')
    write_report(evaluation_folder, tmp_path / 'out', ReportOptions(title='Two'))
    assert '<h1>Two</h1>' in page.read_text()
    assert (tmp_path / 'out' / 'notes.txt').exists()
    with pytest.raises(FileExistsError, match='something else than a report'):
        write_report(evaluation_folder, evaluation_folder)
    with pytest.raises(FileExistsError, match=r'metrics.json cannot be a folder'):
        write_report(evaluation_folder, evaluation_folder / 'metrics.json')


def test_a_folder_that_another_process_writes_into_is_left_to_it(evaluation_folder, tmp_path):
    out = tmp_path / 'out'
    with FolderLock(lock_inside(out), out):
        with pytest.raises(InUseError, match=rf'out is in use: process {os.getpid()} on .* --out'):
            write_report(evaluation_folder, out)
        assert [path.name for path in out.iterdir()] == ['.lock']
    write_report(evaluation_folder, out)
    assert sorted(path.name for path in out.iterdir()) == ['frames', 'index.html']


def test_links_in_place_of_frames_are_not_followed(evaluation_folder, tmp_path):
    precious = tmp_path / 'precious'
    precious.mkdir()
    (precious / 'file').touch()
    out = tmp_path / 'out'
    write_report(evaluation_folder, out)
    shutil.rmtree(out / 'frames')
    for name in ('frames', '.frames.partial'):
        (out / name).symlink_to(precious)
    num_frames = write_report(evaluation_folder, out).num_frames
    assert [path.name for path in precious.iterdir()] == ['file']
    assert len(list((out / 'frames').rglob('*.png'))) == num_frames > 0


def test_two_reports_at_once_leave_one_that_is_whole(evaluation_folder, tmp_path):
    """Each is written, or refused; none takes the pictures of the other away."""
    out, codes = tmp_path / 'out', set()
    for _ in range(5):
        processes = []
        for _ in range(2):
            process = os.fork()
            if process == 0:
                try:
                    write_report(evaluation_folder, out)
                    os._exit(0)
                except InUseError:
                    os._exit(3)
                finally:
                    os._exit(1)
            processes.append(process)
        codes |= {os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes}
        pictures = set(re.findall(r'frames/[^"]+\.png', (out / 'index.html').read_text()))
        assert pictures
        assert all((out / picture).is_file() for picture in pictures)
        assert sorted(path.name for path in out.iterdir()) == ['frames', 'index.html']
    assert codes <= {0, 3}


def test_long_names_of_clips_fit_into_names_of_files():
    slugs = report_page._slug_all(['a' * 250, 'a' * 251])
    assert len(set(slugs)) == 2
    assert all(len(slug) < 120 for slug in slugs)


def test_a_report_that_was_interrupted_is_made_anew(evaluation_folder, tmp_path):
    (tmp_path / 'out' / '.frames.partial' / 'old').mkdir(parents=True)
    write_report(evaluation_folder, tmp_path / 'out')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['frames', 'index.html']
    assert not (tmp_path / 'out' / 'frames' / 'old').exists()


def test_frames_that_are_gone_are_named(evaluation_folder, tmp_path):
    root = tmp_path / 'clips' / '0'
    (root / CLIPS[1] / '00000003.png').unlink()
    with pytest.raises(DataError, match=r'Alpha: clip a clip in .* has 5 frames; expected 6'):
        write_report(evaluation_folder, tmp_path / 'out')
    shutil.rmtree(root / CLIPS[1])
    with pytest.raises(DataError, match='Alpha: clip a clip in .* has 0 frames; expected 6'):
        write_report(evaluation_folder, tmp_path / 'out')
    shutil.rmtree(root)
    with pytest.raises(DataError, match=r'frames of Alpha cannot be read from .*run dlvr evaluate again'):
        write_report(evaluation_folder, tmp_path / 'out')
    assert not (tmp_path / 'out' / 'index.html').exists()


def test_frames_that_have_changed_are_named(evaluation_folder, tmp_path):
    changed = tmp_path / 'clips' / 'gt' / CLIPS[0] / '00000002.png'
    shutil.copy(tmp_path / 'clips' / '0' / CLIPS[0] / '00000002.png', changed)
    with pytest.raises(DataError, match='GT: 00000002.png of clip 000 in .*gt has changed since it was evaluated'):
        write_report(evaluation_folder, tmp_path / 'out')
    assert not (tmp_path / 'out' / 'index.html').exists()


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_folder_that_cannot_be_written_is_named(evaluation_folder, tmp_path):
    (tmp_path / 'out').mkdir(mode=0o500)
    with pytest.raises(PermissionError, match='out cannot be written'):
        write_report(evaluation_folder, tmp_path / 'out')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'quality': 101}, 'quality must be 1 to 100, got 101'),
        ({'frame_rate': 0}, 'frame_rate must be above 0'),
        ({'image_format': 'gif'}, 'image_format must be one of png, jpg, webp'),
    ],
)
def test_options_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        ReportOptions(**changes)


def test_a_large_report_hints_at_a_smaller_one(evaluation_folder, host_log, monkeypatch):
    monkeypatch.setattr(report_command, '_LARGE', 1000)
    for image_format, is_told in (('png', True), ('webp', False)):
        host_log.clear()
        assert main(['report', str(evaluation_folder), '--image-format', image_format]) == 0
        assert any('--image-format webp takes about a fifth' in message for message in host_log) == is_told


def test_command_says_what_it_wrote(evaluation_folder, host_log):
    report_command.run(parse(['report', str(evaluation_folder), '--frame-rate', '10', '--clips', '000']))
    page = evaluation_folder / 'report' / 'index.html'
    assert re.fullmatch(rf'{re.escape(str(page))}: 18 frames, 0\.\d MB\.', host_log[-1])
    assert read_data(page)['clips'][0]['frame_rate'] == 10
