"""An experiment loses none of the option files that it went by."""

import sys

from dlvr_plugin.training.option_copies import keep_option_file


def test_every_text_is_kept(tmp_path, monkeypatch):
    target = tmp_path / 'my.clips.yml'
    monkeypatch.setattr(sys, 'argv', ['dlvr', 'train', '-opt', 'a\nb.yml'])
    for content, last_iter in ((b'one', 0), (b'two', 1200), (b'three', 1200), (b'two', 2400)):
        keep_option_file(content, target, last_iter)
    texts = {path.name: path.read_bytes().rpartition(b'\n')[2] for path in tmp_path.iterdir()}
    assert texts == {
        'my.clips_until_1200.yml': b'one',
        'my.clips_until_1200_2.yml': b'two',
        'my.clips_until_2400.yml': b'three',
        'my.clips.yml': b'two',
    }
    assert target.read_bytes().split(b'\n')[2] == b'# dlvr train -opt a b.yml'


def test_one_head_for_each_start_of_the_same_text(tmp_path, monkeypatch):
    """A copy of a copy is the same text, and begins with one head elsewhere."""
    target, other = tmp_path / 'a.yml', tmp_path / 'b.yml'
    text = b'# my own remark\n\nname: \xff\n'
    for number in range(3):
        monkeypatch.setattr(sys, 'argv', ['dlvr', str(number)])
        keep_option_file(text if number == 0 else target.read_bytes(), target, number)
    assert [line for line in target.read_bytes().split(b'\n') if line.startswith(b'# dlvr')] == [
        b'# dlvr 2', b'# dlvr 1', b'# dlvr 0',
    ]  # fmt: skip
    assert target.read_bytes().endswith(text)
    keep_option_file(target.read_bytes(), other, 0)
    assert other.read_bytes().count(b'# CMD:') == 1
    assert other.read_bytes().endswith(b'\n\n' + text)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.yml', 'b.yml']
