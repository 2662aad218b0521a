"""Files of ``dlvr export --onnx``: run as their metadata says, they restore what the networks themselves do."""

import json
import sys

import numpy as np
import pytest
import torch
from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from dlvr_plugin import host
from dlvr_plugin.archs.spec import ArchSpec, spec_of
from dlvr_plugin.cli.main import main
from dlvr_plugin.core.checkpoints import describe_network, write_checkpoint
from dlvr_plugin.core.version import __version__
from tests.archs.test_generators import GENERATORS
from tests.archs.test_spec import EDVR, IMAGE, RRDB, SWINIR

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

FAST = {
    'EDSR': {'type': 'EDSR', **IMAGE, 'upscale': 2},
    'RRDBNet': {**RRDB, 'scale': 2},
    **{name: GENERATORS[name] for name in ('EnhanceNet', 'DBN', 'STFAN', 'STRCNN', 'STRCNN as ESTRNN')},
    **{name: network for name, network in GENERATORS.items() if name.startswith('FRNet')},
}
SLOW = {
    'EDVR': EDVR,
    'EDVR, HR': {**EDVR, 'with_predeblur': True, 'hr_in': True},
    'SwinIR': SWINIR,
    'DUF': {'type': 'DUF', 'num_layer': 16},
    'TOFlow': {'type': 'TOFlow'},
}
COMPACT = {'type': 'SRVGGNetCompact', 'num_feat': 4, 'num_conv': 1, 'upscale': 2}


def save(path, network):
    """Write a checkpoint of a network whose offsets and norms are not those of its beginning, and return it."""
    torch.manual_seed(0)
    net = build_network(dict(network)).eval()
    for name, value in net.state_dict().items():
        if 'conv_offset' in name or 'running_mean' in name:
            nn.init.normal_(value, std=0.1)
    described = describe_network({'name': 'my run', 'scale': spec_of(network).scale, 'network_g': network}, 'net_g')
    write_checkpoint(path, {'params': net.state_dict(), 'description': described})
    return net


def export(tmp_path, network, *words):
    net = save(tmp_path / 'net.pth', network)
    return net, main(['export', str(tmp_path / 'net.pth'), '--onnx', str(tmp_path / 'net.onnx'), *words])


def open_graph(path):
    return onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])


def windows_of(clip, num_frame):
    """Frames (T, 3, h, w) with their neighbours on the channels, the first and last one repeated: (T, n * 3, h, w)."""
    places = torch.arange(len(clip))[:, None] + torch.arange(num_frame) - num_frame // 2
    return clip[places.clamp(0, len(clip) - 1)].flatten(1, 2)


def restore_in_onnx(session, clip):
    """Restore a clip with nothing but the file."""
    facts = session.get_modelmeta().custom_metadata_map
    names = [each.name for each in session.get_inputs()]
    states = json.loads(facts.get('states', '{}'))
    assert names[1:] == list(states)
    state = [
        np.zeros((1, channels, *(-(-side * times // divisor) for side in clip.shape[2:])), np.float32)
        for channels, times, divisor in states.values()
    ]
    frames = []
    for window in windows_of(clip, int(facts['num_frame'])):
        restored, *state = session.run(None, dict(zip(names, [window[None].numpy(), *state], strict=True)))
        frames.append(restored[0])
    return np.stack(frames)


@torch.no_grad()
def restore_in_torch(net, spec, clip):
    if spec.takes == 'clip':
        return net(clip[None])[0]
    windows = windows_of(clip, spec.num_frame or 1)
    return net(windows.unflatten(1, (-1, 3)) if spec.takes == 'window' else windows)


def assert_restores(tmp_path, network, sizes):
    host.apply()
    net, code = export(tmp_path, network)
    assert code == 0
    spec, session = spec_of(network), open_graph(tmp_path / 'net.onnx')
    for size in sizes:
        clip = torch.rand(3, 3, *(spec.padded(side) for side in size))
        expected = restore_in_torch(net, spec, clip).numpy()
        found = restore_in_onnx(session, clip)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1, np.abs(expected).max()))
    model = onnx.load(tmp_path / 'net.onnx')
    assert {node.domain for node in model.graph.node} == {''}
    assert not model.functions
    assert [(each.domain, each.version >= 17) for each in model.opset_import] == [('', True)]
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts['network']) == json.loads(json.dumps(network))
    assert (facts['scale'], facts['run'], facts['version']) == (str(spec.scale), 'my run', __version__)
    assert facts.get('initial_state') == ('zeros' if spec.step else None)


@pytest.mark.parametrize('name', FAST)
def test_restores_as_torch_does(tmp_path, name):
    assert_restores(tmp_path, FAST[name], [(24, 32), (27, 37)])


@pytest.mark.slow
@pytest.mark.parametrize('name', SLOW)
def test_large_graphs_restore_as_torch_does(tmp_path, name):
    assert_restores(tmp_path, SLOW[name], [(32, 48), (41, 35)])


def test_one_size(tmp_path, host_log):
    net, code = export(tmp_path, COMPACT, '--size', '18x22')
    assert code == 0
    session = open_graph(tmp_path / 'net.onnx')
    assert session.get_inputs()[0].shape == [1, 3, 18, 22]
    assert session.get_outputs()[0].shape == [1, 3, 36, 44]
    frame = torch.rand(1, 3, 18, 22)
    np.testing.assert_allclose(session.run(None, {'frame': frame.numpy()})[0], net(frame).detach(), rtol=0, atol=1e-5)
    assert export(tmp_path, GENERATORS['FRNet'], '--size', '6x40', '--force')[1] == 1
    assert 'FRNet takes sides of at least 8 pixels that are multiples of 1, got 6x40' in host_log[-1]
    for size in ('18', '0x4', '18x22x3', '-1x4', '18X22'):
        with pytest.raises(SystemExit):
            export(tmp_path, COMPACT, f'--size={size}')


class Own(nn.Module):
    """A network of one's own, whose factor may be what a graph cannot say."""

    spec = ArchSpec(takes='frame', gives='frame')

    def __init__(self, kind='width'):
        super().__init__()
        self.kind = kind
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        factor = {'width': lambda: float(x.shape[-1]), 'bessel': lambda: torch.special.i0(x), 'none': lambda: np.nan}
        return self.conv(x) * factor[self.kind]()


def test_what_a_graph_cannot_say_is_refused(tmp_path, monkeypatch, host_log, capfd):
    monkeypatch.setitem(ARCH_REGISTRY._obj_map, 'Own', Own)
    assert export(tmp_path, {'type': 'Own'})[1] == 1  # the width becomes a constant
    assert 'Own as an ONNX graph, frames of 48x40: restored frames differ by' in host_log[-1]
    assert 'Name the size of your frames with --size' in host_log[-1]
    assert export(tmp_path, {'type': 'Own', 'kind': 'none'})[1] == 1
    assert 'frames of 25x33: restored frames differ by nan' in host_log[-1]
    assert export(tmp_path, {'type': 'Own', 'kind': 'bessel'})[1] == 1
    assert 'Own cannot be made an ONNX graph: ' in host_log[-1]
    assert 'i0' in host_log[-1]
    assert len(capfd.readouterr().out) < 2000  # not the graph
    assert [path.name for path in tmp_path.iterdir()] == ['net.pth']
    assert export(tmp_path, {'type': 'Own'}, '--size', '20x30')[1] == 0
    monkeypatch.setattr(Own, 'spec', None)
    save(tmp_path / 'net.pth', COMPACT)
    write_checkpoint(tmp_path / 'net.pth', {'params': Own().state_dict(), 'description': {'network': {'type': 'Own'}}})
    assert main(['export', str(tmp_path / 'net.pth'), '--onnx', str(tmp_path / 'x.onnx')]) == 1
    assert 'Own does not say what it takes and gives' in host_log[-1]


def test_networks_of_whole_clips_and_other_channels(tmp_path, host_log):
    assert export(tmp_path, {'type': 'BasicVSR', 'num_feat': 4, 'num_block': 1})[1] == 1
    assert 'BasicVSR restores a clip as a whole: each frame depends on those before and after' in host_log[-1]
    assert export(tmp_path, {**GENERATORS['EnhanceNet'], 'num_in_ch': 1})[1] == 1
    assert 'EnhanceNet takes frames of 1 channels' in host_log[-1]
    assert [path.name for path in tmp_path.iterdir()] == ['net.pth']


def test_arguments_that_do_not_go_together(tmp_path, host_log):
    for words, message in (
        (['--onnx', 'x.pth'], 'x.pth must end in .onnx'),
        (['--onnx', 'x.onnx', '--half'], '--half goes with a safetensors file'),
        (['--size', '4x4'], '--size goes with --onnx'),
        (['--onnx', 'x.onnx', '--safetensors', 'x.safetensors'], 'Give one file to write'),
        (['x.safetensors', '--onnx', 'x.onnx'], 'Give one file to write'),
    ):
        assert main(['export', str(tmp_path / 'net.pth'), *words]) == 1
        assert message in host_log[-1]
    for name in ('net.onnx', 'net.vpy'):  # either file
        (tmp_path / name).write_bytes(b'kept')
        assert export(tmp_path, COMPACT)[1] == 1
        assert f'{name} exists already' in host_log[-1]
        assert (tmp_path / name).read_bytes() == b'kept'
        (tmp_path / name).unlink()


def test_a_missing_package_is_named(tmp_path, monkeypatch, host_log):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    assert export(tmp_path, COMPACT)[1] == 1
    assert 'onnxruntime is missing: pip install onnx onnxruntime' in host_log[-1]


def test_weights_of_another_key(tmp_path):
    nets = [build_network(dict(COMPACT)) for _ in range(2)]
    write_checkpoint(
        tmp_path / 'net.pth',
        {'params': nets[0].state_dict(), 'params_ema': nets[1].state_dict(), 'description': {'network': COMPACT}},
    )
    frame = torch.rand(1, 3, 9, 8)
    for net, words in zip(nets, (['--param-key', 'params'], ['--force']), strict=True):
        assert main(['export', str(tmp_path / 'net.pth'), '--onnx', str(tmp_path / 'net.onnx'), *words]) == 0
        found = open_graph(tmp_path / 'net.onnx').run(None, {'frame': frame.numpy()})[0]
        np.testing.assert_allclose(found, net(frame).detach(), rtol=0, atol=1e-5)


def test_the_script_is_python(tmp_path):
    assert export(tmp_path, COMPACT)[1] == 0
    compile((tmp_path / 'net.vpy').read_text(), 'net.vpy', 'exec')


@pytest.mark.parametrize('name', ['EDSR', 'DBN', 'STFAN', 'FRNet'])
def test_the_script_in_vapoursynth(tmp_path, name):
    vs = pytest.importorskip('vapoursynth')
    import runpy

    network = FAST[name]
    net, _ = export(tmp_path, network)
    frames = torch.rand(6, 3, 36, 46)

    def fill(n, f):
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = frames[n, plane]
        return frame

    blank = vs.core.std.BlankClip(width=46, height=36, format=vs.RGBS, length=6)
    clip = blank.std.ModifyFrame(blank, fill)
    runpy.run_path(str(tmp_path / 'net.vpy'), init_globals={'clip': clip})
    found = np.stack([[np.asarray(frame[plane]) for plane in range(3)] for frame in vs.get_output(0).clip.frames()])
    expected = restore_in_torch(net, spec_of(network), frames).clamp(0, 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    runpy.run_path(
        str(tmp_path / 'net.vpy'), init_globals={'clip': clip.resize.Bicubic(format=vs.YUV420P8, matrix_s='709')}
    )
    video = vs.get_output(0).clip
    assert (video.format.id, video.get_frame(0).props['_Matrix']) == (vs.YUV420P8, 1)
