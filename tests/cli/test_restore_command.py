"""``dlvr restore`` from the shell: results, resumed work, and what careless users are told."""

import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import time

import av
import cv2
import numpy as np
import pytest
import torch

from dlvr_plugin.cli.main import main
from dlvr_plugin.clips.video_stream import read_frames as read_video_frames
from dlvr_plugin.core.checkpoints import describe_network, write_checkpoint
from dlvr_plugin.restoration.engine import Engine, to_image
from tests.clips.test_video_cuts import clicks, write_flashes
from tests.helpers import write_options
from tests.restoration.test_engine import restored
from tests.restoration.videos import NETWORKS, moving_images, tiny_generator


def write_model(path, name):
    """Write a described checkpoint of a tiny network, and return its file."""
    generator = tiny_generator(name)
    opt = {'name': 'run', 'scale': generator.spec.scale, 'network_g': NETWORKS[name]}
    write_checkpoint(path, {'params': generator.net.state_dict(), 'description': describe_network(opt, 'net_g')})
    return str(path)


def write_frames(folder, images):
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        assert cv2.imwrite(str(folder / f'f{index}.png'), image[..., ::-1])
    return str(folder)


def read_frames(folder):
    paths = sorted(folder.iterdir(), key=lambda path: int(path.stem[1:]))
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1] for path in paths]


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith('.')]


def test_without_a_name_results_stand_beside_the_input(tmp_path):
    model = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact')
    write_video(tmp_path / 'film.mkv', [4])
    write_frames(tmp_path / 'frames', moving_images(2))
    for words in (['film.mkv'], ['film.mkv', '--outscale', '1.5'], ['frames', '--outscale', '1']):
        assert main(['restore', str(tmp_path / words[0]), *words[1:], '--model', model]) == 0
    made = {path.name for path in tmp_path.iterdir()} - {'net_g.pth', 'film.mkv', 'frames'}
    scale = tiny_generator('SRVGGNetCompact').spec.scale
    assert made == {f'film_x{scale}.mkv', 'film_x1.5.mkv', 'frames_restored'}


@pytest.mark.parametrize('name', NETWORKS)
def test_frames_to_frames(tmp_path, name):
    images = moving_images(9)
    model, source = write_model(tmp_path / 'net_g.pth', name), write_frames(tmp_path / 'in', images)
    assert main(['restore', source, '--model', model, '-o', str(tmp_path / 'out'), '--segment', '3']) == 0
    expected = [to_image(frame) for frame in restored(Engine(tiny_generator(name)), images).split(1)]
    found = read_frames(tmp_path / 'out')
    assert len(found) == 9
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert leftovers(tmp_path) == []


def write_video(path, counts, size=(32, 48), **codec_facts):
    """Write a video of scenes of so many frames, as a telephone does not: of 25 frames a second."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25, options={'crf': '8'})
        stream.height, stream.width = size
        stream.pix_fmt = 'yuv420p'
        for name, value in codec_facts.items():
            setattr(stream.codec_context, name, value)
        for seed, count in enumerate(counts):
            for image in moving_images(count, size, seed):
                brighter = np.clip(image.astype(int) + 100 * (seed % 2) - 50, 0, 255).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(brighter, format='rgb24')))
        container.mux(stream.encode(None))
    return str(path)


def decoded(path):
    return [(frame.pts, frame.rgb) for frame in read_video_frames(path)]


def assert_same_video(one, other):
    one, other = decoded(one), decoded(other)
    assert len(one) == len(other) > 0
    assert all(a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize('name', ['EDVR', 'FRNet'])
def test_scenes_of_a_video_begin_anew_and_times_stay(tmp_path, name):
    model, source = write_model(tmp_path / 'net_g.pth', name), write_video(tmp_path / 'in.mp4', (7, 5))
    out = tmp_path / 'out.mkv'
    words = ['restore', source, '--model', model, '-o', str(out), '--segment', '4', '--quality', 'lossless']
    assert main([*words, '--codec', 'x264', '--pixel-format', 'yuv444p', '--write', 'both']) == 0
    images = [image for _, image in decoded(source)]
    expected = restored(Engine(tiny_generator(name)), images, scenes=[0, 7, 12])
    frames = [cv2.imread(str(path))[..., ::-1] for path in sorted((tmp_path / 'out').iterdir())]
    assert all(np.array_equal(one, to_image(other)) for one, other in zip(frames, expected.split(1), strict=True))
    video = [image.astype(int) for _, image in decoded(out)]
    assert max(np.abs(one - other).max() for one, other in zip(video, frames, strict=True)) <= 3  # Y'CbCr of 8 bits
    assert leftovers(tmp_path) == []


def test_16_bits_part_and_size(tmp_path):
    model = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact')
    source = write_frames(tmp_path / 'in', moving_images(6))
    words = ['restore', source, '--model', model, '-o', str(tmp_path / 'out'), '--bits', '16']
    assert main([*words, '--start', '1', '--end', '0.2s', '--outscale', '1.5']) == 0
    found = {path.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (tmp_path / 'out').iterdir()}
    assert {name: (image.dtype, image.shape) for name, image in found.items()} == {
        name: (np.dtype(np.uint16), (48, 72, 3)) for name in ('f1.png', 'f2.png', 'f3.png', 'f4.png')
    }


@pytest.mark.parametrize(
    ('words', 'frames', 'flash'),
    [(['--start', '31', '--end', '2.2s'], 24, 9), (['--end', '20'], 20, 10), (['--start', '55'], 25, 5)],
)
def test_sound_is_cut_with_the_frames(tmp_path, words, frames, flash):
    model = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact')
    source, out = write_flashes(tmp_path / 'in.mkv', 'flac'), tmp_path / 'out.mkv'
    assert main(['restore', str(source), '--model', model, '-o', str(out), *words]) == 0
    restored_frames = list(read_video_frames(out))
    assert len(restored_frames) == frames
    means = [frame.rgb.mean() for frame in restored_frames]
    assert int(np.argmax(means)) == flash
    times = [float(frame.pts * frame.time_base) for frame in restored_frames]
    assert times[0] == 0
    assert clicks(out) == pytest.approx([times[flash]], abs=0.002)


def test_several_inputs_by_a_pattern(tmp_path):
    model = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact')
    write_frames(tmp_path / 'clips/a', moving_images(2))
    write_frames(tmp_path / 'clips/b', moving_images(3))
    write_video(tmp_path / 'one.mp4', (3,))
    words = ['restore', str(tmp_path / 'clips'), str(tmp_path / 'o?e.mp4'), '--model', model]
    assert main([*words, '-o', str(tmp_path / 'all')]) == 0
    assert sorted(path.name for path in (tmp_path / 'all').iterdir()) == ['a', 'b', 'one.mp4']
    assert len(list((tmp_path / 'all/b').iterdir())) == 3


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--tile', 'large'], '--tile must be auto, 0, or a number'),
        (['--start', 'soon'], "'soon' is no position"),
        (['--start', '99'], 'no frame between --start and --end: it has 2 frames'),
        (['--tile', '1'], 'Take larger tiles, or a smaller overlap'),
        (['--share', '3/2'], 'must be 1 to 2'),
        (['--devices', 'tpu'], 'takes cpu, cuda or cuda:N'),
        (['--outscale', 'nan'], '--outscale must be above 0'),
        (['--segment', '0'], '--segment must be at least 1'),
        (['--fps', '1/0'], '--fps takes a number'),
        (['--model', 'nonsense'], 'neither a file nor the name'),
        (['-o', 'result.avi'], 'videos are written as .mp4, .mkv, .mov'),
    ],
)
def test_arguments_that_do_not_go(tmp_path, monkeypatch, host_log, words, message):
    monkeypatch.chdir(tmp_path)
    model = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact')
    source = write_frames(tmp_path / 'in', moving_images(2))
    assert main(['restore', source, '--model', model, *words]) == 1
    assert any(message in line for line in host_log)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['in', 'net_g.pth']


def test_an_input_is_named_once(tmp_path, host_log):
    source, model = write_frames(tmp_path / 'in', moving_images(2)), write_model(tmp_path / 'net_g.pth', 'FRNet')
    assert main(['restore', source, str(tmp_path / 'i?'), '--model', model, '-o', str(tmp_path / 'out')]) == 1
    assert 'in is named twice' in host_log[-1]


def test_several_inputs_do_not_go_into_a_video(tmp_path, host_log):
    model = write_model(tmp_path / 'net_g.pth', 'FRNet')
    inputs = [write_frames(tmp_path / name, moving_images(2)) for name in ('one', 'two')]
    assert main(['restore', *inputs, '--model', model, '-o', str(tmp_path / 'out.mp4')]) == 1
    assert 'of several inputs, -o names the folder' in host_log[-1]


def test_files_that_do_not_go(tmp_path, host_log):
    source, model = write_video(tmp_path / 'in.mp4', (4,)), write_model(tmp_path / 'net_g.pth', 'FRNet')
    hdr, sound, cut = tmp_path / 'hdr.mkv', tmp_path / 'sound.mp4', tmp_path / 'cut.mp4'
    write_video(hdr, (2,), color_trc=16)  # PQ
    with av.open(str(sound), 'w') as container:
        stream = container.add_stream('aac', rate=48000, layout='mono')
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format='fltp', layout='mono')
        silence.rate = 48000
        container.mux([*stream.encode(silence), *stream.encode(None)])
    cut.write_bytes((tmp_path / 'in.mp4').read_bytes()[:-200])
    loss_network = tmp_path / 'net_t.pth'
    opt = {'name': 'run', 'scale': 4, 'network_t': {'type': 'LossNetT', 'num_feat': 4}}
    write_checkpoint(loss_network, {'params': {}, 'description': describe_network(opt, 'net_t')})
    before = sorted(tmp_path.iterdir())
    for given, network, message in (
        (hdr, model, 'of high dynamic range (transfer smpte2084)'),
        (sound, model, 'no video stream'),
        (cut, model, 'it is cut off'),
        (source, str(loss_network), 'holds the loss network T'),
        (source, str(tmp_path / 'no.pth'), 'no.pth does not exist'),
    ):
        assert main(['restore', str(given), '--model', network, '-o', str(tmp_path / 'out.mp4')]) == 1
        assert message in host_log[-1]
    assert sorted(tmp_path.iterdir()) == before


def test_results_are_replaced_only_by_force(tmp_path, host_log):
    model = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact')
    source, out = write_frames(tmp_path / 'in', moving_images(2)), tmp_path / 'out'
    words = ['restore', source, '--model', model, '-o', str(out)]
    assert main(words) == 0
    (out / 'notes.txt').write_text('mine')
    assert main(words) == 1
    assert any('exists already' in line for line in host_log)
    assert (out / 'notes.txt').exists()
    assert main([*words, '--force']) == 0
    assert sorted(path.name for path in out.iterdir()) == ['f0.png', 'f1.png']
    assert main([*words[:-1], source, '--force']) == 1
    assert any('is where the frames come from' in line for line in host_log)


def test_shares_make_what_one_run_makes(tmp_path, capsys):
    model, source = write_model(tmp_path / 'net_g.pth', 'EDVR'), write_video(tmp_path / 'in.mp4', (8, 4))
    whole, shared = tmp_path / 'whole.mkv', tmp_path / 'shared.mkv'
    words = ['restore', source, '--model', model, '--segment', '3', '-o']
    assert main([*words, str(whole)]) == 0
    assert main([*words, str(shared), '--share', '2/2']) == 0
    assert not shared.exists()
    assert 'segments remain' in capsys.readouterr().out
    assert main([*words, str(shared), '--share', '1/2']) == 0
    assert_same_video(whole, shared)
    assert leftovers(tmp_path) == []


def test_a_full_disk_names_the_file_and_the_same_command_goes_on(tmp_path, host_log):
    model, source = write_model(tmp_path / 'net_g.pth', 'FRNet'), write_frames(tmp_path / 'in', moving_images(9))
    words = ['restore', source, '--model', model, '--segment', '3', '-o']
    assert main([*words, str(tmp_path / 'whole.mkv')]) == 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, limits[1]))
    try:
        assert main([*words, str(tmp_path / 'out.mkv'), '--codec', 'ffv1']) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert any('.out.mkv.restoring/' in line and 'File too large' in line for line in host_log)
    assert not (tmp_path / 'out.mkv').exists()
    assert main([*words, str(tmp_path / 'out.mkv')]) == 1
    assert any('codec' in line and 'Give the same command to go on' in line for line in host_log)
    ffv1 = [*words, str(tmp_path / 'out.mkv'), '--codec', 'ffv1']
    assert main([*ffv1, '--segment', '4']) == 1
    assert 'with another value of --segment (3 then, 4 now)' in host_log[-1]
    write_model(tmp_path / 'net_g.pth', 'STRCNN')
    assert main(ffv1) == 1
    assert 'with another value of the model.' in host_log[-1]
    write_model(tmp_path / 'net_g.pth', 'FRNet')
    assert main(ffv1) == 0
    assert len(decoded(tmp_path / 'out.mkv')) == 9
    assert leftovers(tmp_path) == []


def run_command(words, log):
    """Run the command in a process of its own, whose output goes to a file."""
    with log.open('w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored where a script runs tests with &
    sys.exit(main(words))


@pytest.fixture(scope='module')
def start():
    """Return what starts the command in a process that has loaded its modules already, as a fork of a clean one."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['tests.cli.test_restore_command', 'dlvr_plugin.cli.restore'])

    def start_process(words, log):
        process = context.Process(target=run_command, args=(words, log))
        process.start()
        return process

    return start_process


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path, start):
    model, source = write_model(tmp_path / 'net_g.pth', 'FRNet'), write_video(tmp_path / 'in.mp4', (50, 30))
    whole, killed, log = tmp_path / 'whole.mp4', tmp_path / 'killed.mp4', tmp_path / 'log.txt'
    words = ['restore', source, '--model', model, '--segment', '5', '--write', 'both', '-o']
    for _ in range(2):  # the first time, modules are loaded that are loaded late
        began = time.perf_counter()
        process = start([*words, str(whole), '--force'], log)
        process.join()
        life = time.perf_counter() - began
        assert process.exitcode == 0
    rng, journal = random.Random(0), tmp_path / '.killed.mp4.restoring'
    num_hits, done_at_hits = 0, set()
    for _ in range(50):
        process = start([*words, str(killed)], log)
        process.join(rng.random() * life)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            num_hits += 1
            done_at_hits.add(len(list(journal.glob('*.done'))))
        else:
            assert process.exitcode == 0
        if num_hits == 10:
            break
        if killed.exists() and not journal.exists():  # it was faster: the next one begins anew
            assert_same_results(whole, killed)
            killed.unlink()
            shutil.rmtree(killed.with_suffix(''))
    assert num_hits == 10
    assert len(done_at_hits) > 2  # at several places of the work
    if journal.exists() or not killed.exists():
        assert main([*words, str(killed)]) == 0
    assert_same_results(whole, killed)
    assert leftovers(tmp_path) == []


def assert_same_results(one, other):
    """Demand equal videos, and equal frames beside them."""
    assert_same_video(one, other)
    frames = sorted(one.with_suffix('').iterdir())
    assert [path.name for path in frames] == sorted(path.name for path in other.with_suffix('').iterdir())
    assert all(path.read_bytes() == (other.with_suffix('') / path.name).read_bytes() for path in frames)


@pytest.mark.slow
@pytest.mark.parametrize('devices', ['cpu', 'cpu,cpu'])
def test_ctrl_c_keeps_the_work_and_says_how_to_go_on(tmp_path, start, devices):
    model, source = write_model(tmp_path / 'net_g.pth', 'EDVR'), write_video(tmp_path / 'in.mp4', (40, 30))
    out, log, journal = tmp_path / 'out.mkv', tmp_path / 'log.txt', tmp_path / '.out.mkv.restoring'
    words = ['restore', source, '--model', model, '--segment', '4', '--devices', devices, '-o']
    process = start([*words, str(out)], log)
    while process.is_alive() and not list(journal.glob('*.done')):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130
    assert 'Give the same command again to go on' in log.read_text()
    assert 'Traceback' not in log.read_text()
    done = {path.name: path.stat().st_mtime_ns for path in journal.glob('*.done')}
    assert done
    assert not out.exists()
    assert not list(journal.glob('.*.partial'))
    assert main([*words, str(out)]) == 0
    assert main([*words, str(tmp_path / 'whole.mkv'), '--devices', 'cpu']) == 0
    assert_same_video(tmp_path / 'whole.mkv', out)


@pytest.mark.slow
def test_devices_share_the_work(tmp_path):
    model, source = write_model(tmp_path / 'net_g.pth', 'EDVR'), write_video(tmp_path / 'in.mp4', (8, 4))
    words = ['restore', source, '--model', model, '--segment', '3', '-o']
    assert main([*words, str(tmp_path / 'one.mkv')]) == 0
    assert main([*words, str(tmp_path / 'two.mkv'), '--devices', 'cpu,cpu']) == 0
    assert_same_video(tmp_path / 'one.mkv', tmp_path / 'two.mkv')


def test_an_old_checkpoint_takes_the_option_file_beside_it(tmp_path, host_log):
    source, model = write_frames(tmp_path / 'in', moving_images(2)), tmp_path / 'run/models/net_g_1.pth'
    model.parent.mkdir(parents=True)
    torch.save({'params': tiny_generator('FRNet').net.state_dict()}, model)
    words = ['restore', source, '--model', str(model), '-o', str(tmp_path / 'out')]
    assert main(words) == 1
    assert any('does not say which network it holds' in line for line in host_log)
    write_options({'name': 'run', 'network_g': NETWORKS['FRNet']}, tmp_path / 'run/run.yml')
    assert main(words) == 0
    assert len(list((tmp_path / 'out').iterdir())) == 2


def test_a_codec_that_does_not_go_is_told_before_the_work(tmp_path, host_log):
    model, source = write_model(tmp_path / 'net_g.pth', 'SRVGGNetCompact'), write_video(tmp_path / 'in.mp4', (3,))
    words = ['restore', source, '--model', model, '-o', str(tmp_path / 'out.mp4'), '--quality', '99']
    assert main(words) == 1
    assert any('expected 0 (best) to 51' in line for line in host_log)
    assert leftovers(tmp_path) == []
