"""The commands as users start them: train, resume, test, several processes, spawned workers."""

import os
import re
import subprocess
import sys
from copy import deepcopy

import cv2
import pytest
import torch

from dlvr_plugin import test as test_command
from dlvr_plugin import train as train_command
from dlvr_plugin.archs import LossNetT
from dlvr_plugin.metrics import tof
from tests.conftest import make_clip
from tests.helpers import REPOSITORY, as_adversarial, as_host_model, tiny_options, video_test_set, write_options
from tests.training.runs import finish, start_together

pytestmark = pytest.mark.slow

SWINIR = {
    'type': 'SwinIR',
    'upscale': 4,
    'img_size': 12,
    'window_size': 4,
    'embed_dim': 12,
    'depths': [2],
    'num_heads': [2],
    'mlp_ratio': 2,
    'upsampler': 'pixelshuffle',
    'resi_connection': '1conv',
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Root of experiments."""
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path / 'root'))
    return tmp_path / 'root'


def networks(root, name, iteration='latest'):
    folder = root / 'experiments' / name / 'models'
    return [torch.load(folder / f'net_{net}_{iteration}.pth', weights_only=True)['params'] for net in ('g', 't')]


def max_difference(one, other):
    """Return the largest difference over both networks' tensors."""
    return max(
        float((a[name].double() - b[name].double()).abs().max()) for a, b in zip(one, other, strict=True) for name in a
    )


def run_command(command, **environment):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', **environment}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def train_in_two(opt, root):
    """Train in two processes that have imported everything already, and return what both print."""
    processes = start_together(opt, root, number=2)
    codes = [finish(process) for process in processes]
    output = ''.join((root / f'{rank}.log').read_text() for rank in range(2))
    assert codes == [0, 0], output[-3000:]
    return output


@pytest.mark.parametrize('stop', [2, 5])
@pytest.mark.parametrize('auto_resume', [False, True])
def test_train_and_resume_in_either_phase(clip_root, tmp_path, root, stop, auto_resume, monkeypatch, host_log):
    first = max(stop, 4)  # the end must lie after the iterations of T alone
    opt = tiny_options(clip_root, init_t_iters=3, total_iter=first)
    opt['logger']['save_checkpoint_freq'] = stop
    path = write_options(opt, tmp_path / 'tiny.yml')
    assert train_command.main(['-opt', str(path)]) == 0
    state = root / 'experiments/tiny/training_states' / f'{stop}.state'
    for other in set(state.parent.iterdir()) - {state}:
        other.unlink()
    assert len(torch.load(state, weights_only=True)['optimizers']) == 2

    opt['train']['total_iter'] = 7
    if not auto_resume:
        opt['path']['resume_state'] = str(state)
    write_options(opt, path)
    monkeypatch.chdir(tmp_path)  # from another folder
    assert train_command.main(['-opt', str(path), *(['--auto_resume'] if auto_resume else [])]) == 0
    assert not list((root / 'experiments').glob('*_archived_*'))
    iterations = [int(match[1]) for message in host_log if (match := re.search(r'iter:\s+(\d+), lr', message))]
    assert iterations == [*range(1, first + 1), *range(stop + 1, 8)]
    assert max_difference(networks(root, 'tiny'), networks(root, 'tiny', stop)) > 0


def test_test_command_writes_pictures_and_metrics(clip_root, tmp_path, root, host_log):
    path = write_options(tiny_options(clip_root), tmp_path / 'tiny.yml')
    assert train_command.main(['-opt', str(path)]) == 0
    opt = tiny_options(clip_root, name='tiny_test')
    opt['datasets'] = {'test': video_test_set(clip_root, num_frame=3)}
    opt['path'] = {'pretrain_network_g': str(root / 'experiments/tiny/models/net_g_latest.pth')}
    opt['val'] = {'save_img': True, 'suffix': None, 'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 8}}}
    for options in (opt, as_host_model(deepcopy(opt))):
        assert test_command.main(['-opt', str(write_options(options, tmp_path / 'test.yml'))]) == 0
        assert any('# psnr' in message for message in host_log)
        assert len(list((root / 'results/tiny_test').rglob('*.png'))) == 21
    assert (root / 'results/tiny_test/visualization/Vid4/002/00000006_tiny_test.png').is_file()


PRINTING = """
import hashlib

from dlvr_plugin.models import LossNetworkModel


def save(self, epoch, current_iter):
    for label in ('net_g', 'net_t'):
        net = self.get_bare_model(getattr(self, label))
        digest = hashlib.sha256(b''.join(p.detach().numpy().tobytes() for p in net.parameters()))
        print(f'{label} {digest.hexdigest()}', flush=True)


LossNetworkModel.save = save
"""


@pytest.mark.parametrize(
    ('losses', 'find_unused_parameters', 'by_script'),
    [
        ('discriminative_opt', False, True),
        ('discriminative_opt', True, False),
        ('adversarial_opt', False, False),
        ('adversarial_opt', True, False),
    ],
)
def test_two_processes_keep_equal_networks(clip_root, tmp_path, root, losses, find_unused_parameters, by_script):
    """With saving by rank 0 alone, equality is shown by a checksum that every rank prints at the end."""
    (tmp_path / 'printing.py').write_text(PRINTING)
    opt = tiny_options(clip_root, init_t_iters=2, total_iter=5)
    opt['imports'] = [str(tmp_path / 'printing.py')]
    opt['find_unused_parameters'] = find_unused_parameters
    if losses == 'adversarial_opt':  # which decides from all processes whether T is trained
        as_adversarial(opt, gan_type='relativistic', update_interval=2, update_threshold=0.02)
    opt['train'].setdefault(losses, {})['random_shift'] = 8
    opt['datasets']['train']['num_worker_per_gpu'] = 1
    if by_script:  # which starts everything anew; workers are spawned
        path = write_options(opt, tmp_path / 'tiny.yml')
        output = run_command(['bash', 'scripts/dist_train.sh', '2', str(path)], PYTHON=sys.executable)
    else:
        output = train_in_two(opt, root)
    for label in ('net_g', 'net_t'):
        digests = re.findall(rf'{label} (\w{{64}})', output)
        assert len(digests) == 4  # of two processes, with the last state and as the latest
        assert len(set(digests)) == 1


@pytest.mark.parametrize('host_model', ['SwinIRModel', 'VideoBaseModel'])
def test_two_processes_validate_a_network_with_buffers(clip_root, root, host_model):
    """They share 21 frames, which do not divide by two; the second begins in the middle of a clip."""
    opt = tiny_options(clip_root)
    opt.update(host_model=host_model, generator_type='image', network_g=SWINIR)
    opt['datasets']['val'] = video_test_set(clip_root, num_frame=1)
    opt['datasets']['train']['gt_size'] = 48
    metrics = {'psnr': {'type': 'calculate_psnr', 'crop_border': 8}, 'tof': {'type': 'calculate_tof'}}
    opt['val'] = {'val_freq': 2, 'save_img': True, 'metrics': metrics}
    output = train_in_two(opt, root)
    found = re.findall(r'# tof: (\S+)\s+# 000: (\S+)\s+# 001: (\S+)\s+# 002: (\S+)', output)
    assert len(found) == 1  # the second iteration is the last
    pictures = root / 'experiments/tiny/visualization/2/Vid4'
    assert len(list(pictures.rglob('*.png'))) == 21
    for clip, value in zip(('000', '001', '002'), found[-1][1:], strict=True):
        restored = [cv2.imread(str(path)) for path in sorted((pictures / clip).iterdir())]
        truth = [cv2.imread(str(path)) for path in sorted((clip_root / 'GT' / clip).iterdir())]
        expected = [tof(restored[t - 1], restored[t], truth[t - 1], truth[t]) for t in range(1, 7)]
        assert float(value) == pytest.approx(sum(expected) / 6, abs=1e-4)


def test_two_processes_equal_one_with_the_doubled_batch(tmp_path, root, host_log):
    """Clips of just one sample's length and size leave nothing to chance but the order."""
    for index in range(4):
        make_clip(tmp_path / 'GT' / f'{index:03d}', 3, (32, 32), seed=index)
    opt = tiny_options(tmp_path, init_t_iters=2, total_iter=5)
    opt['network_t']['norm'] = 'frozen'
    opt['datasets']['train'].update(dataroot_lq=None, random_reverse=False, use_hflip=False, use_rot=False)
    # Both start from the same weights: seeds differ by rank, and DDP takes those of rank 0.
    for name, processes, batch in (('one', 1, 4), ('two', 2, 2)):
        run = deepcopy(opt)
        run['name'] = name
        run['datasets']['train']['batch_size_per_gpu'] = batch
        if processes == 1:
            assert train_command.main(['-opt', str(write_options(run, tmp_path / 'one.yml'))]) == 0
        else:
            train_in_two(run, root)
    one, two = networks(root, 'one'), networks(root, 'two')
    assert max_difference(one, two) < 1e-5
    first = networks(root, 'one')
    assert max_difference(one, [dict.fromkeys(net, torch.zeros(1)) for net in first]) > 0.01


def test_a_stock_model_trains_with_the_mixed_losses(clip_root, tmp_path, root, host_log):
    path_t = tmp_path / 'net_t.pth'
    torch.save({'params': LossNetT().state_dict()}, path_t)
    opt = tiny_options(clip_root, name='mixed')
    as_host_model(opt)
    opt['datasets']['train']['gt_frames'] = 'middle'
    opt['train']['perceptual_opt'] = {'type': 'DiscriminativeSpaceLoss', 'path': str(path_t)}
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'mixed.yml'))]) == 0
    assert any(re.search(r'iter:\s+2,.*l_pix: \S+ l_percep: \S+', message) for message in host_log)


@pytest.mark.parametrize(
    ('host_model', 'network_g', 'scale'),
    [
        ('EDVRModel', None, 4),
        ('VideoRecurrentModel', {'type': 'BasicVSR', 'num_feat': 8, 'num_block': 1, 'spynet_path': None}, 4),
        ('SRModel', {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 1, 'upscale': 4}, 4),
        (
            'SwinIRModel',
            SWINIR,
            4,
        ),
    ],
)
def test_only_host_model_and_network_g_change(tmp_path, root, host_model, network_g, scale, host_log):
    for index in range(2):
        make_clip(tmp_path / 'GT' / f'{index:03d}', 4, (144, 160), seed=index)
    opt = tiny_options(tmp_path)
    opt['datasets']['train'].update(dataroot_lq=None, gt_size=144)
    opt['host_model'] = host_model
    opt['network_g'] = network_g or opt['network_g']
    assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'tiny.yml'))]) == 0
    assert any('l_g_relation' in message and 't_acc_fake' in message for message in host_log)
    assert networks(root, 'tiny')[0]
