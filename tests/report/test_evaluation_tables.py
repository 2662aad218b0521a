import math

from dlvr_plugin.report.evaluation_tables import format_latex, format_markdown, format_terminal
from dlvr_plugin.report.text_table import format_table


def make_evaluation(means):
    """An evaluation of one clip by PSNR and tOF."""
    none = {'frames': None, 'clips': None}
    return {
        'format': 1,
        'protocol': {'skip_frames': 2},
        'versions': {},
        'metrics': {
            'psnr': {'label': 'PSNR', 'direction': 'higher', 'decimals': 2, 'unit': 'dB'},
            'tof': {'label': 'tOF', 'direction': 'lower', 'decimals': 3, 'unit': ''},
        },
        'gt_root': '',
        'clips': {'a': {'size': [8, 8], 'frames': ['0'], 'frame_rate': None, 'sha256': {}}},
        'methods': {
            name: {
                'root': '',
                'mean': {'psnr': psnr, 'tof': tof},
                'intervals': {'psnr': none, 'tof': none},
                'clips': {'a': {'mean': {'psnr': psnr, 'tof': tof}, 'frames': {}, 'sha256': {}}},
            }
            for name, (psnr, tof) in means.items()
        },
    }


def test_best_and_second_best_follow_the_direction_of_the_metric():
    text = format_markdown(make_evaluation({'x': (30, 0.5), 'y': (31, 0.2), 'z': (29, 0.1)}))
    assert '| x | <u>30.00</u> | 0.500 |' in text
    assert '| y | **31.00** | <u>0.200</u> |' in text
    assert '| z | 29.00 | **0.100** |' in text


def test_what_looks_equal_is_equal():
    text = format_markdown(make_evaluation({'x': (30.001, 1), 'y': (30.004, 2), 'z': (29, 3)}))
    assert '| x | **30.00** |' in text
    assert '| y | **30.00** |' in text
    assert '| z | <u>29.00</u> |' in text


def test_a_single_method_is_not_marked_and_infinity_has_its_sign():
    evaluation = make_evaluation({'x': (math.inf, 0)})
    assert '| x | ∞ | 0.000 |' in format_markdown(evaluation)
    assert r'x & $\infty$ & 0.000 \\' in format_latex(evaluation)


def test_an_interval_of_few_clips_is_left_out_and_said():
    evaluation = make_evaluation({'x': (30, 1), 'y': (31, 1)})
    assert 'There is no interval of clips for 1 clip: it takes at least 3.' in format_terminal(evaluation)
    evaluation['clips'] = dict.fromkeys('abc', evaluation['clips']['a'])
    for method in evaluation['methods'].values():
        method['clips'] = dict.fromkeys('abc', method['clips']['a'])
    assert 'There is no interval' not in format_terminal(evaluation)


def test_names_are_escaped():
    evaluation = make_evaluation({'a|b_c & 50%': (1, 1), 'y': (2, 2)})
    assert '| a\\|b_c & 50% |' in format_markdown(evaluation)
    assert r'a|b\_c \& 50\%' in format_latex(evaluation)


def test_styles_of_a_terminal_take_no_room():
    plain = format_table(['name', 'x'], [['a', '1'], ['bb', '2']])
    styled = format_table(['name', 'x'], [['a', '\033[1m1\033[0m'], ['bb', '2']])
    assert styled.replace('\033[1m', '').replace('\033[0m', '') == plain
    assert '\033[1m31.00\033[0m' in format_terminal(make_evaluation({'x': (30, 1), 'y': (31, 1)}))
