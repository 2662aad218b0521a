import numpy as np
import torch

from dlvr_plugin.report.contact_sheet import draw_contact_sheet


def sample(num_gt=3):
    lq = torch.zeros(3, 3, 4, 6)
    lq[1, 0, 2, 3] = 1  # one red pixel in the middle frame
    gt = torch.linspace(0, 1, 3).view(3, 1, 1, 1).expand(3, 3, 16, 24)
    return {'lq': lq, 'gt': gt if num_gt == 3 else gt[1], 'key': '000/00000001'}


def find(sheet, colour):
    return np.argwhere((sheet == colour).all(axis=-1))


def test_low_quality_pixels_are_squares_above_the_ground_truth():
    sheet = draw_contact_sheet([sample()])
    red = find(sheet, (0, 0, 255))
    assert len(red) == 4 * 4
    assert np.ptp(red, axis=0).tolist() == [3, 3]
    grey = find(sheet, (128, 128, 128))
    assert len(grey) == 16 * 24  # the middle frame
    assert grey[:, 0].min() > red[:, 0].max()
    left = grey[:, 1].min()
    assert red[:, 1].min() == left + 3 * 4  # the same place in both


def test_samples_are_stacked_and_the_middle_frame_may_stand_alone():
    one, two = draw_contact_sheet([sample()]), draw_contact_sheet([sample(), sample(num_gt=1)])
    assert two.shape == (2 * one.shape[0], one.shape[1], 3)
    assert len(find(two, (128, 128, 128))) == 2 * 16 * 24
    lower = two[one.shape[0] :]
    assert np.array_equal(find(lower, (128, 128, 128)), find(one, (128, 128, 128)))
