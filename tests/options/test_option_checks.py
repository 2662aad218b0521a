"""Options that contradict one another, and what reports of all problems look like."""

import re

import pytest

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.models.host_models import find_host_model, host_models
from dlvr_plugin.options.consistency import combinations
from dlvr_plugin.options.find_problems import check_options
from dlvr_plugin.options.problems import OptionsError
from dlvr_plugin.options.schema.run import run_options
from dlvr_plugin.options.yaml_reader import read_file, read_text
from tests.helpers import as_host_model, tiny_options, write_options
from tests.options.checking import lines, read


def set_key(opt, key, value):
    *sections, name = key.split('.')
    for section in sections:
        opt = opt.setdefault(section, {})
    opt[name] = value


SPACE = 'train/EDVR/train_EDVR_M_x4_SR_REDS_DiscriminativeSpace.yml'
ADVERSARIAL = 'train/EDVR/train_EDVR_M_x4_SR_REDS_Adversarial.yml'
PRETRAIN = 'train/EDVR/pretrain_EDVR_M_x4_SR_REDS.yml'
MIXED = 'train/EDVR/train_EDVR_M_x4_SR_REDS_mixed_losses.yml'
EDSR = 'train/EDSR/train_EDSR_M_x4_SR_REDS_DiscriminativeSpace.yml'
BASICVSR = 'train/BasicVSR/train_BasicVSR_x4_SR_REDS_DiscriminativeSpace.yml'


@pytest.mark.parametrize(
    ('file', 'changes', 'line'),
    [
        (SPACE, {'datasets.train.gt_size': 130}, 'datasets.train.gt_size: must be a multiple of the scale 4, got 130'),
        (SPACE, {'datasets.train.num_frame': 7}, 'datasets.train.num_frame: must be 5: network_g.num_frame 5, got 7'),
        (
            SPACE,
            {'train.discriminative_opt.fake': 'generated'},
            'datasets.train.num_frame: must be 7: network_g.num_frame 5 and 2 more for fake: generated, got 5',
        ),
        (SPACE, {'datasets.val.num_frame': 3}, 'datasets.val.num_frame: must be 5: network_g.num_frame 5, got 3'),
        (SPACE, {'network_g.num_frame': 3}, 'datasets.train.num_frame: must be 3'),
        (EDSR, {'datasets.train.num_frame': 1}, 'datasets.train.num_frame: must be at least 3, the window of T'),
        (BASICVSR, {'train.discriminative_opt.radius': 8}, 'datasets.train.num_frame: must be at least 17'),
        (
            SPACE,
            {'train.discriminative_opt.edge_frames': True},
            'train.discriminative_opt.edge_frames: must be false, because G is sliding_window',
        ),
        (
            EDSR,
            {'train.discriminative_opt.edge_frames': True},
            'train.discriminative_opt.edge_frames: must be false, because G is image',
        ),
        (
            BASICVSR,
            {'train.discriminative_opt.edge_frames': True, 'train.discriminative_opt.bn_statistics': 'per_sequence'},
            'train.discriminative_opt.edge_frames: must be false with bn_statistics: per_sequence',
        ),
        (
            BASICVSR,
            {'train.discriminative_opt.edge_frames': True, 'train.discriminative_opt.radius': 0},
            'train.discriminative_opt.edge_frames: must be false with radius: 0',
        ),
        (ADVERSARIAL, {'train.adversarial_opt.edge_frames': True}, 'train.adversarial_opt.edge_frames: '),
        (EDSR, {'datasets.train.gt_size': 16}, 'datasets.train.gt_size: must be above 32: T halves frames 4 times'),
        (BASICVSR, {'datasets.train.gt_size': 128}, 'datasets.train.gt_size: must be at least 132, because BasicVSR'),
        (
            SPACE,
            {'datasets.train.gt_size': 136},
            'datasets.train.gt_size: must be a multiple of 16, because EDVR takes',
        ),
        (SPACE, {'scale': 2}, r'scale: must be 4, the scale of network_g \(EDVR\); got 2'),
        (EDSR, {'network_g.upscale': 2}, r'scale: must be 2, the scale of network_g \(EDSR\); got 4'),
        (
            BASICVSR,
            {'network_g': {'type': 'IconVSR'}, 'datasets.train.num_frame': 4},
            r'datasets.train.num_frame: must be at least 5, the shortest clip that network_g \(IconVSR\) takes; got 4',
        ),
        (
            SPACE,
            {'generator_type': 'recurrent'},
            r'generator_type: must be sliding_window, because network_g \(EDVR\) takes a window and gives a frame; got '
            'recurrent. Remove generator_type',
        ),
        (SPACE, {'network_g': {'type': 'TOFlow'}}, 'datasets.train.num_frame: must be 7: the window of TOFlow, got 5'),
        (SPACE, {'host_model': 'HiFaceGANModel'}, 'host_model: expected one of'),
        (PRETRAIN, {'datasets.train.num_frame': 4}, 'datasets.train.num_frame: must be odd for a REDSDataset, got 4'),
        (PRETRAIN, {'datasets.train.interval_list': [1, 25]}, 'datasets.train.num_frame: 5 frames at interval 25'),
        (BASICVSR, {'datasets.train.num_frame': 101}, 'datasets.train.num_frame: 101 frames at interval 1'),
        (PRETRAIN, {'datasets.train.prefetch_mode': 'cuda'}, 'datasets.train.pin_memory: must be true'),
        (PRETRAIN, {'datasets.val.name': 'mine'}, 'datasets.val.name: must be one of vid4, reds4, redsofficial'),
        (PRETRAIN, {'train.scheduler.restart_weights': [1]}, 'train.scheduler.restart_weights: must have as many'),
        (PRETRAIN, {'train.total_iter': 10**6}, 'train.scheduler.periods: end at iteration 600000, before the last'),
        (PRETRAIN, {'train.pixel_opt': None}, 'train.pixel_opt: is missing: there is no loss'),
        (PRETRAIN, {'logger.use_tb_logger': False, 'logger.wandb.project': 'x'}, 'logger.use_tb_logger: must be true'),
        (PRETRAIN, {'val.keep_best': 'lpips'}, 'val.keep_best: must be one of the metrics psnr, ssim, tof'),
        (
            SPACE,
            {'val.keep_best': 'Vid4/tof'},
            'val.keep_best: must be one of .* SET/METRIC with a set of REDSofficial',
        ),
        (PRETRAIN, {'val.metrics.psnr.crop_border': -1}, 'val.metrics.psnr.crop_border: expected a whole number of at'),
        (PRETRAIN, {'val.nan': 'ignore'}, 'val.nan: expected one of error, leave-out'),
        (PRETRAIN, {'val.skip_frames': -1}, 'val.skip_frames: expected a whole number of at least 0'),
        (SPACE, {'train.pixel_opt.delta': 0}, 'train.pixel_opt.delta: expected a number above 0, got 0'),
        (SPACE, {'network_t.num_feat': []}, 'network_t.num_feat: expected a list, each entry a whole'),
        (SPACE, {'network_t.num_feat': [8, 8]}, 'train.discriminative_opt.layers: must be some of the layers'),
        (SPACE, {'train.perceptual_opt': {'type': 'L1Loss'}}, 'train.perceptual_opt: is taken'),
        (SPACE, {'network_t.norm': 'sync', 'num_gpu': 0}, 'network_t.norm: sync works on GPUs only'),
        (
            MIXED,
            {'train.perceptual_opt.network_t': {'type': 'LossNetT', 'norm': 'sync'}, 'num_gpu': 0},
            'train.perceptual_opt.network_t.norm: sync works on GPUs only',
        ),
        (
            ADVERSARIAL,
            {'train.adversarial_opt.weight': -1},
            'train.adversarial_opt.weight: expected a number of at least',
        ),
        (
            ADVERSARIAL,
            {'train.adversarial_opt.gan_type': 'hinge'},
            'train.adversarial_opt.gan_type: expected one of vanilla, lsgan, relativistic',
        ),
        (
            ADVERSARIAL,
            {'train.perceptual_opt.layer_weights.conv5_5': 1},
            'train.perceptual_opt.layer_weights.conv5_5: is no layer of vgg19; these are conv1_1, ',
        ),
        (ADVERSARIAL, {'train.adversarial_opt.gan_typ': 'lsgan'}, 'train.adversarial_opt.gan_typ: .*mean gan_type?'),
        (
            ADVERSARIAL,
            {'train.adversarial_opt.weight': 0, 'train.perceptual_opt': None},
            'train.adversarial_opt.weight: is 0, and there is no perceptual_opt, .* set model_type: EDVRModel',
        ),
        (
            ADVERSARIAL,
            {'train.adversarial_opt.weight': 0, 'train.perceptual_opt.perceptual_weight': 0},
            'train.adversarial_opt.weight: is 0, and that of perceptual_opt, too, so that G learns from a pixel loss',
        ),
        (
            ADVERSARIAL,
            {'train.adversarial_opt.update_threshold': 0.4, 'train.adversarial_opt.gan_type': 'lsgan'},
            'train.adversarial_opt.update_threshold: must be ~ with gan_type: lsgan',
        ),
        (
            ADVERSARIAL,
            {'train.adversarial_opt.fake': 'generated'},
            'datasets.train.num_frame: must be 7: network_g.num_frame 5 and 2 more for fake: generated, got 5',
        ),
        (
            ADVERSARIAL,
            {'datasets.train.gt_size': 32, 'train.adversarial_opt.random_shift': 16},
            'datasets.train.gt_size: must be above 32: T halves .* and random_shift cuts 16 pixels',
        ),
        (
            ADVERSARIAL,
            {'train.discriminative_opt': {}},
            '.*: is not read here. AdversarialModel over EDVRModel does not',
        ),
        (SPACE, {'train.adversarial_opt': {}}, 'train.adversarial_opt: .*does not read it'),
        (SPACE, {'host_model': 'StyleGAN2Model'}, 'host_model: expected one of'),
        (
            'test/BasicVSR/test_BasicVSR_x4_SR_REDS.yml',
            {'val.center_frame_only': True},
            'val.center_frame_only: restores the middle frame of each sample alone, but datasets.test gives',
        ),
        (
            PRETRAIN,
            {'model_type': 'HiFaceGANModel'},
            'val.metrics.tof: compares frames of clips, but HiFaceGANModel validates by a loop of its own',
        ),
        (SPACE, {'host_model': {}, 'val': 'EDVRModel'}, 'host_model: expected one of'),
        (PRETRAIN, {'model_type': 'a\x00b', 'path.pretrain_network_g': True}, 'model_type: expected one of'),
    ],
)
def test_contradictions(file, changes, line):
    opt = read(file)
    for key, value in changes.items():
        set_key(opt, key, value)
    found = lines(opt, is_train='train' in opt, with_files=False)
    assert any(re.match(line, each) for each in found), found


@pytest.mark.parametrize(
    'changes',
    [
        {'train.adversarial_opt.weight': 0},  # the perceptual loss is there
        {'train.adversarial_opt.weight': 0, 'train.perceptual_opt': {'type': 'LPIPSLoss'}},
        {'train.perceptual_opt': None},
        {'train.adversarial_opt.fake': 'generated', 'datasets.train.num_frame': 7},
        {'train.adversarial_opt': None},
    ],
)
def test_what_an_adversarial_run_may_do_without(changes):
    opt = read(ADVERSARIAL)
    for key, value in changes.items():
        set_key(opt, key, value)
    assert lines(opt, with_files=False) == []


@pytest.mark.parametrize('fake', ['mixed', 'generated'])
def test_recurrent_generators_may_learn_from_edge_frames(fake):
    opt = read(BASICVSR)
    opt['train']['discriminative_opt'].update(edge_frames=True, fake=fake)
    assert lines(opt, with_files=False) == []


def test_weights_of_a_perceptual_loss_that_are_missing():
    opt = read(ADVERSARIAL)
    opt['train']['perceptual_opt'] = {'type': 'LPIPSLoss', 'weights': 'nowhere.pth'}
    assert 'train.perceptual_opt: nowhere.pth does not exist.' in lines(opt)


def test_what_validation_reads_may_be_said():
    opt = read(PRETRAIN)
    opt['val'].update(nan='error', skip_frames=0, picture_clips=['000', 1], keep_best='psnr', pbar=False)
    assert lines(opt, with_files=False) == []


def test_wandb_that_is_not_installed(monkeypatch):
    opt = read(PRETRAIN)
    set_key(opt, 'logger.wandb.project', 'x')
    monkeypatch.setattr(combinations, 'find_spec', lambda name: None)
    (found,) = lines(opt, with_files=False)
    assert found.startswith('logger.wandb.project: needs the package wandb: pip install wandb.')


def test_a_scale_that_a_dataset_reads():
    opt = read(PRETRAIN)
    del opt['scale']
    assert lines(opt, with_files=False) == [
        'scale: is missing (datasets.train, a REDSDataset, reads it). Expected a whole number of at least 1.'
    ]


def test_one_report_says_all(clip_root, tmp_path):
    opt = tiny_options(clip_root)
    opt['train']['optim_g']['lr'] = '1e-4'
    opt['train']['warmup_itr'] = opt['train'].pop('warmup_iter')
    opt['network_g']['with_tsa'] = 1
    del opt['logger']['print_freq']
    opt['datasets']['train']['dataroot_lq'] = 'nowhere'
    opt['path']['pretrain_network_g'] = 'nowhere.pth'
    opt['train']['discriminative_opt']['layers'] = [5]
    path = write_options(opt, tmp_path / 'x.yml')
    document = read_file(path)
    with pytest.raises(OptionsError) as caught:
        check_options(document, is_train=True)
    title, *rest = str(caught.value).split('\n')
    assert title == f'7 problems in {path}:'
    text = path.read_text().split('\n')
    places = [line.split(': ')[0] for line in rest]
    assert places == sorted(places, key=lambda place: int(place.rpartition(':')[2]))
    for line in rest:
        number, key = int(line.split(': ')[0].rpartition(':')[2]), line.split(': ')[1].split('.')[-1]
        assert key in text[number - 1] or key == 'print_freq'
    found = '\n'.join(line.partition(': ')[2] for line in rest)
    assert found.splitlines() == [
        'datasets.train.dataroot_lq: nowhere does not exist.',
        'network_g.with_tsa: expected true or false, got 1 (a number).',
        'path.pretrain_network_g: nowhere.pth does not exist.',
        "train.optim_g.lr: expected a number of at least 0, got '1e-4' (text). Write 1.0e-4 or !!float 1e-4.",
        'train.discriminative_opt.layers: must be some of the layers [1, 2, 3, 4], each once, got [5].',
        'train.warmup_itr: is no option here. Did you mean warmup_iter?',
        'logger.print_freq: is missing (iterations between two lines of the log). Expected a whole number of at '
        'least 1.',
    ]


def test_a_report_has_one_screen():
    text = '\n'.join(f'unknown_{index}: 1' for index in range(100))
    with pytest.raises(OptionsError) as caught:
        check_options(read_text(text, 'x.yml'), is_train=True)
    shown = str(caught.value).split('\n')
    assert len(shown) == 22
    assert shown[-1] == f'... and {len(caught.value.problems) - 20} more.'


def test_the_middle_frame_or_all(clip_root):
    """A model of the framework that compares the middle frame fails on clips with a traceback about sizes."""
    opt = as_host_model(tiny_options(clip_root))
    assert opt['model_type'] == 'EDVRModel'
    (line,) = lines(opt)
    assert line == (
        'datasets.train.gt_frames: must be middle, because EDVRModel compares the middle frame alone; got all, the '
        'default. Set gt_frames: middle.'
    )
    opt['datasets']['train']['gt_frames'] = 'middle'
    assert lines(opt) == []
    opt = read(PRETRAIN)
    train = opt['datasets']['train']
    train.update(type='REDSRecurrentDataset', test_mode=False)
    (line,) = lines(opt, with_files=False)
    assert line.startswith('datasets.train.type: REDSRecurrentDataset gives the ground truth of all frames')
    clips = tiny_options(clip_root)['datasets']['train']
    opt = tiny_options(clip_root)  # which leaves the choice to its model
    opt['datasets']['train']['gt_frames'] = 'middle'
    assert lines(opt, with_files=False) == []
    opt = read(BASICVSR)
    opt['datasets']['train'] = {**clips, 'gt_frames': 'middle', 'gt_size': 144}
    assert lines(opt, with_files=False) == [
        'datasets.train.gt_frames: must be all, because VideoRecurrentModel compares all frames of a clip; got middle. '
        'Set gt_frames: all.'
    ]


NO_HOSTS = {
    'HiFaceGANModel': 'restores in training mode alone',
    'RealESRGANModel_basicsr': 'makes its low-quality images itself',
    'RealESRNetModel_basicsr': 'makes its low-quality images itself',
}


@pytest.mark.parametrize('name', NO_HOSTS)
def test_models_that_cannot_be_hosts(name):
    opt = read(SPACE)
    opt['host_model'] = name
    (line,) = lines(opt, with_files=False)
    assert line.startswith('host_model: expected one of EDVRModel, ESRGANModel, FRVSRModel, SRGANModel, SRModel, ')
    assert f"got '{name}' (text). {name} {NO_HOSTS[name]}" in line
    with pytest.raises(InvalidValueError, match=f'host_model must be one of EDVRModel, .* {name} {NO_HOSTS[name]}'):
        find_host_model(opt)


GAN = {
    'network_d': {'type': 'UNetDiscriminatorSN_basicsr', 'num_in_ch': 3, 'num_feat': 8},
    'optim_d': {'type': 'Adam', 'lr': 1e-4},
    'gan_opt': {'type': 'GANLoss', 'gan_type': 'vanilla', 'loss_weight': 1e-3},
}


def with_discriminator(name, host_model):
    opt = read(name)
    opt['host_model'], opt['network_d'] = host_model, dict(GAN['network_d'])
    opt['train'].update(optim_d=GAN['optim_d'], gan_opt=GAN['gan_opt'])
    for key in ('tsa_iter', 'dcn_lr_mul', 'flow_lr_mul'):
        opt['train'].pop(key, None)
    return opt


def test_hosts_with_a_discriminator():
    opt = with_discriminator(SPACE, 'VideoGANModel')
    assert lines(opt, with_files=False) == []
    opt['network_d'] = {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 8}
    opt['datasets']['train']['gt_size'] = 64
    assert lines(opt, with_files=False) == [
        'datasets.train.gt_size: must be 128, the input_size of network_d (VGGStyleDiscriminator), which is 128 or '
        '256; got 64.'
    ]
    opt = with_discriminator(SPACE, 'VideoRecurrentGANModel')
    opt['train']['fix_flow'] = None
    (line,) = lines(opt, with_files=False)
    assert 'must be recurrent, because VideoRecurrentGANModel takes clips apart' in line
    opt = with_discriminator(BASICVSR, 'VideoRecurrentGANModel')
    opt['train'].update(fix_flow=2, lr_flow=1e-5)
    assert lines(opt, with_files=False) == []
    opt = with_discriminator(BASICVSR, 'VideoGANModel')
    opt['train'].pop('fix_flow', None)
    (line,) = lines(opt, with_files=False)
    assert line.startswith(
        'network_d.type: UNetDiscriminatorSN_basicsr takes frames, but VideoGANModel hands it the clips of'
    )
    opt['network_d'] = {'type': 'RRDBNet', 'num_in_ch': 3, 'num_out_ch': 1, 'num_feat': 8, 'num_block': 1}
    (line,) = lines(opt, with_files=False)
    assert line.startswith('network_d.type: RRDBNet takes frames, but VideoGANModel hands it the clips of')


def test_the_check_and_the_model_take_the_same_hosts():
    hosts, refused = host_models()
    for name in ('AdversarialModel', 'DiscriminativeSpaceModel'):
        assert run_options(True).sections[name].sections.keys() == hosts.keys()
    assert refused.keys() == NO_HOSTS.keys()
    assert all(find_host_model({'host_model': name}) is model for name, model in hosts.items())
