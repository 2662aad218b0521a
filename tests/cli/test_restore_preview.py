"""``dlvr restore --preview``, and frames of videos that telephones have turned."""

import cv2
import numpy as np
import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.restoration.engine import Engine, to_image
from tests.cli.test_restore_command import leftovers, write_frames, write_model, write_video
from tests.clips.ffmpeg_videos import ffmpeg
from tests.restoration.test_engine import restored
from tests.restoration.videos import NETWORKS, moving_images, tiny_generator


@pytest.mark.parametrize('name', NETWORKS)
def test_a_preview_shows_what_will_be(tmp_path, name):
    images = moving_images(9)
    model, source = write_model(tmp_path / 'net_g.pth', name), write_frames(tmp_path / 'in', images)
    assert main(['restore', source, '--model', model, '-o', str(tmp_path / 'out'), '--preview', '1']) == 0
    expected = to_image(restored(Engine(tiny_generator(name)), images)[4:5])
    assert np.array_equal(cv2.imread(str(tmp_path / 'out_preview' / 'after_1.png'))[..., ::-1], expected)


def test_frames_of_a_telephone_are_upright(tmp_path, capsys):
    model, plain = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact'), write_video(tmp_path / 'plain.mp4', (2,))
    turned = tmp_path / 'turned.mp4'
    ffmpeg('-display_rotation', '90', '-i', plain, '-c', 'copy', str(turned))
    for source, out in ((plain, 'lying'), (str(turned), 'upright')):
        assert main(['restore', source, '--model', model, '-o', str(tmp_path / out)]) == 0
        assert main(['restore', source, '--model', model, '-o', str(tmp_path / out), '--preview', '1']) == 0
    said = capsys.readouterr().out
    assert 'of 192x128 pixels' in said
    assert 'of 128x192 pixels' in said
    for name in ('{}/00000001.png', '{}_preview/after_1.png', '{}_preview/before_1.png'):
        lying, upright = (cv2.imread(str(tmp_path / name.format(out))) for out in ('lying', 'upright'))
        assert np.array_equal(np.rot90(lying), upright)


def test_previews(tmp_path):
    model, source = write_model(tmp_path / 'net_g.pth', 'EDVR'), write_video(tmp_path / 'in.mp4', (7, 5))
    words = ['restore', source, '--model', model, '-o', str(tmp_path / 'out.mp4'), '--preview', '2']
    assert main(words) == 0
    assert sorted(path.name for path in (tmp_path / 'out_preview').iterdir()) == [
        'after_1.png', 'after_2.png', 'before_1.png', 'before_2.png', 'index.html', 'preview_1.png', 'preview_2.png',
    ]  # fmt: skip
    pictures = sorted((tmp_path / 'out_preview').glob('preview_*.png'))
    shown = [cv2.imread(str(path)) for path in pictures]
    assert shown[0].shape == (128, 2 * 192 + 6, 3)
    assert shown[1][:, :192].mean() - shown[0][:, :192].mean() > 60  # of the dark and of the bright scene
    assert main([*words[:-1], '1', '--start', '0.32s']) == 0
    assert cv2.imread(str(pictures[0]))[:, :192].mean() - shown[0][:, :192].mean() > 60
    assert not (tmp_path / 'out.mp4').exists()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize('name', ['index.html', 'notes.txt'])
def test_a_folder_of_others_is_left_alone(tmp_path, host_log, name):
    model, source = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact'), write_video(tmp_path / 'in.mp4', (2,))
    words = ['restore', source, '--model', model, '-o', str(tmp_path / 'out.mp4'), '--preview', '1']
    assert main(words) == main(words) == 0  # its own is replaced
    (tmp_path / 'out_preview' / name).write_text('mine')
    assert main(words) == 1
    assert any('out_preview holds something else than a preview' in line for line in host_log)
    assert (tmp_path / 'out_preview' / name).read_text() == 'mine'
