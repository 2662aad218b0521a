import re
from pathlib import Path

import pytest

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.survey import page_texts
from dlvr_plugin.survey.page_texts import read_texts, shipped_languages


def test_languages_of_the_package_have_all_texts():
    texts = read_texts(shipped_languages())
    assert set(texts) == {'de', 'en'}
    assert texts['de'].keys() == texts['en'].keys()
    assert all(texts['de'][name] != text for name, text in texts['en'].items() if name != 'progress' and len(text) > 12)


def test_a_file_changes_what_it_has(tmp_path):
    path = tmp_path / 'mine.yml'
    path.write_text('language: en\nquestion: Which one is sharper?\n')
    texts = read_texts(['en', str(path)])['en']
    assert texts['question'] == 'Which one is sharper?'
    assert texts['agree'] == read_texts(['en'])['en']['agree']


def test_another_language_needs_all_texts(tmp_path):
    path = tmp_path / 'fr.yml'
    path.write_text('language: fr\nquestion: Laquelle ?\n')
    with pytest.raises(DataError, match='lacks language_name, title'):
        read_texts([str(path)])
    whole = {**read_texts(['en'])['en'], 'language': 'fr', 'question': 'Laquelle ?'}
    path.write_text(''.join(f'{name}: "{text}"\n'.replace('\n\n', '\\n\\n') for name, text in whole.items()))
    assert read_texts([str(path)])['fr']['question'] == 'Laquelle ?'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('question: Which?\n', 'must say its language'),
        ('language: en\nqestion: Which?\n', 'no text qestion. Did you mean question'),
        ('language: en\nprogress: now\n', r'progress must have \{count\}, \{index\}'),
        ('language: en\nquestion: " "\n', 'question must have 1 to 4000'),
        ('language: en\nquestion: yes\n', 'must have a text after each name'),
        ('- en\n', 'must have a text after each name'),
        ('language: [\n', 'no YAML'),
        ('!!python/object/apply:os.system ["true"]\n', 'no YAML'),
        ('language: ../en\n', 'must say its language'),
        ('x' * 70000, 'more than such a file may have'),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / 'mine.yml'
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_texts([str(path)])


def test_no_file():
    with pytest.raises(DataError, match='no language that comes with the package'):
        read_texts(['fr'])


def test_the_page_uses_all_texts():
    folder = Path(page_texts.__file__).with_name('page')
    page = ''.join(path.read_text() for path in folder.iterdir())
    named = set(re.findall(r"""["']([a-z_]+)["']""", page)) | {'language', 'language_name', 'consent'}
    assert read_texts(['en'])['en'].keys() - named - {'language_name'} == set()
