import re
import stat

import cv2
import numpy as np
import pytest

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.make_study import StudyOptions, make_study
from dlvr_plugin.survey.study import read_study
from tests.survey.helpers import (
    CLIPS,
    METHODS,
    NUM_FRAMES,
    PAIR,
    SIZE,
    image_of,
    names_in,
    write_evaluation,
    write_study,
)


def picture(folder, name):
    return cv2.imread(str(folder / 'site/frames' / name))


def test_pictures_are_the_frames_of_the_methods(tmp_path):
    folder, study = write_study(tmp_path, pairs=[PAIR, f'{METHODS[1]}:{METHODS[2]}'], mode='both')
    trials = [each for each in study.comparisons if each.kind == 'trial']
    assert len(trials) == 2 * 2 * 2 * 2  # pairs, modes, clips, frames
    assert {each.frame for each in trials} == {1, 4}  # of 6, a quarter of them from each end
    for each in trials:
        for stimulus, method in zip((each.first, each.second), study.pairs[each.pair], strict=True):
            [name] = study.stimuli[stimulus].files
            expected = image_of(METHODS.index(method), CLIPS.index(each.clip), each.frame)
            assert np.array_equal(picture(folder, name), expected)


def test_checks_compare_the_truth_with_bicubic_and_a_picture_with_itself(tmp_path):
    folder, study = write_study(tmp_path, checks=2, practice=0)
    bicubic = [each for each in study.comparisons if each.kind == 'bicubic']
    assert len(bicubic) == 2
    for each in bicubic:
        truth, blurred = (picture(folder, study.stimuli[index].files[0]) for index in (each.first, each.second))
        assert np.array_equal(truth, image_of(len(METHODS), CLIPS.index(each.clip), each.frame))
        assert blurred.shape == truth.shape
        assert blurred.std() < 0.5 * truth.std()  # of noise, little is left
    for each in (each for each in study.comparisons if each.kind == 'same'):
        one, other = (study.stimuli[index].files[0] for index in (each.first, each.second))
        assert one != other
        assert np.array_equal(picture(folder, one), picture(folder, other))


def test_frames_of_sizes_that_are_no_multiple_of_the_scale(tmp_path):
    write_evaluation(tmp_path, size=(50, 67))
    _, study = write_study(tmp_path)
    [check] = [each for each in study.comparisons if each.kind == 'bicubic']
    assert study.stimuli[check.first].size == study.stimuli[check.second].size == (48, 64)


def test_whole_clips_hold_all_frames_in_order(tmp_path):
    folder, study = write_study(tmp_path, whole_clips=True, frame_rate=25)
    trials = [each for each in study.comparisons if each.kind == 'trial']
    assert [(each.clip, each.frame) for each in trials] == [(clip, None) for clip in CLIPS]
    stimulus = study.stimuli[trials[1].second]
    assert (stimulus.frame_rate, len(stimulus.files)) == (25, NUM_FRAMES)
    for frame, name in enumerate(stimulus.files):
        assert np.array_equal(picture(folder, name), image_of(1, 1, frame))


def test_nothing_of_the_site_tells_methods_and_clips(tmp_path):
    folder, study = write_study(tmp_path, mode='both', checks=2)
    files = [path for path in (folder / 'site').rglob('*') if path.is_file()]
    pages = [path for path in files if path.suffix == '.html']
    assert len(pages) == 1 + len(study.participants)
    for path in files:
        assert not names_in(path.read_bytes(), study), path
        assert not names_in(str(path.relative_to(folder)).encode(), study)
    pictures = [path for path in files if path.suffix == '.png']
    assert all(re.fullmatch(r'[0-9a-f]{32}\.png', path.name) for path in pictures)
    assert len({path.stat().st_mtime for path in pictures}) == 1
    order = sorted(name for stimulus in study.stimuli for name in stimulus.files)
    assert order != [name for stimulus in study.stimuli for name in stimulus.files]


def test_names_of_pictures_are_others_in_each_study(tmp_path):
    write_evaluation(tmp_path)
    options = StudyOptions(pairs=[PAIR], frames=1, participants=2)
    one, other = (make_study(tmp_path / 'evaluation', tmp_path / name, options) for name in ('one', 'other'))
    assert [each.turns for each in one.participants] == [each.turns for each in other.participants]  # one seed
    assert not {each.files for each in one.stimuli} & {each.files for each in other.stimuli}
    assert not {each.token for each in one.participants} & {each.token for each in other.participants}


def test_what_is_secret_is_readable_by_its_owner_alone(tmp_path):
    folder, study = write_study(tmp_path)
    for name in ('study.json', 'links.txt', 'answers.sqlite'):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    links = (folder / 'links.txt').read_text().split()
    assert links == [f'{each.token}.html' for each in study.participants]


def test_the_file_says_what_was_made(tmp_path):
    folder, study = write_study(tmp_path, texts=['en', 'de'], allow_no_difference=True)
    assert read_study(folder)[0] == study


def test_a_changed_study_is_refused(tmp_path):
    folder, _ = write_study(tmp_path)
    path = folder / 'study.json'
    path.chmod(0o600)
    path.write_text(path.read_text().replace('"min_seconds":1.0', '"min_seconds":0.0'))
    with pytest.raises(DataError, match='is not the file that this study was made with'):
        AnswerStore(folder)


@pytest.mark.parametrize(
    'content', ['', '{}', '[]', '{"format":1}', '{"format":1,"rules":[],"pairs":3}', '{"format":2}']
)
def test_a_damaged_study_is_refused(copy_study, content):
    folder = copy_study('frames')
    (folder / 'study.json').write_text(content)
    with pytest.raises(DataError, match=r'study\.json'):
        AnswerStore(folder)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'pairs': ['Secret-Alpha:Nobody']}, 'two different ones of'),
        ({'pairs': [PAIR, f'{METHODS[1]}:{METHODS[0]}']}, 'given twice'),
        ({'pairs': []}, 'pairs'),
        ({'clips': ['nowhere']}, 'no clip nowhere'),
        ({'frames': 7}, 'Clip secretwalk: Of a clip of 6 frames, 1 to 6'),
        ({'frames': 0}, 'frames must be at least 1'),
        ({'trials': 9}, '1 to 4 trials'),
        ({'participants': 0}, 'participants must be at least 1'),
        ({'image_format': 'webp', 'quality': 50}, 'quality must be at least 90'),
        ({'checks': -1}, 'checks must be at least 0'),
        ({'seed': -1}, 'seed must be at least 0'),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, message):
    with pytest.raises(InvalidValueError, match=message):
        write_study(tmp_path, **options)
    assert not (tmp_path / 'study').exists()


def test_what_exists_is_not_replaced(tmp_path):
    folder, _ = write_study(tmp_path)
    before = (folder / 'study.json').read_bytes()
    with pytest.raises(FileExistsError, match='exists already'):
        write_study(tmp_path)
    assert (folder / 'study.json').read_bytes() == before


def test_frames_that_changed_since_they_were_evaluated(tmp_path):
    write_evaluation(tmp_path)
    cv2.imwrite(str(tmp_path / 'clips1/secretcity/0002.png'), np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(DataError, match=r'0002\.png of clip secretcity .* has changed'):
        write_study(tmp_path)
    assert not (tmp_path / 'study').exists()
