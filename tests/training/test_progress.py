"""Lines of the log, and what TensorBoard gets."""

import re

import pytest

from dlvr_plugin.training.progress import Progress, format_value

VALUES = {'l_g_pix': 0.00427331, 'l_t_real': 0.69314, 't_acc_real': 0.93491, 'grad_norm_g': 1234.56}


class Writer:
    """Keeps what TensorBoard gets."""

    def __init__(self):
        self.scalars = []

    def add_scalar(self, *scalar):
        self.scalars.append(scalar)


def log(opt_name='my_pretraining_run', rank=0, writer=None):
    opt = {'name': opt_name, 'rank': rank, 'train': {'total_iter': 1500}}
    with Progress(opt, start_iter=1233, samples_per_iter=4, tb_logger=writer) as progress:
        progress.start_iteration()
        progress.end_iteration()
        progress.log(2, 1234, [1e-5, 1e-5], VALUES)


def test_line_is_for_people(host_log):
    log()
    (line,) = host_log
    assert line.startswith('[my_pretraining_run] epoch: 2, iter:   1,234, lr: 1.00e-05 | ')
    assert '| l_g_pix: 0.004273 l_t_real: 0.6931 t_acc_real: 0.93 grad_norm_g: 1235 |' in line
    assert re.search(r'\| \d\.\d{3} s/iter \(data 0\.000\), \d+\.\d samples/s, \d:\d\d:\d\d left$', line)


def test_other_processes_are_silent(host_log):
    log(rank=1)
    assert host_log == []


def test_tags_of_tensorboard():
    writer = Writer()
    log(writer=writer)
    assert [(tag, iteration) for tag, _, iteration in writer.scalars] == [
        ('samples_s', 1234),
        ('losses/l_g_pix', 1234),
        ('losses/l_t_real', 1234),
        ('t_acc_real', 1234),
        ('grad_norm_g', 1234),
    ]
    assert [value for _, value, _ in writer.scalars[1:]] == list(VALUES.values())


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('t_acc_fake', 1.0, '1.00'),
        ('l_pix', 0.0, '0.000'),
        ('l_g_relation', 4.27331e-07, '4.273e-07'),
        ('grad_norm_g', 123456.7, '1.235e+05'),
        ('dcn_offset', 12.0, '12.00'),
        ('l_pix', float('nan'), 'nan'),
    ],
)
def test_values(name, value, expected):
    assert format_value(name, value) == expected
