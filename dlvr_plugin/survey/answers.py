"""The store of answers: an SQLite file beside the study; an answer is on the disk before it is acknowledged."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.survey.answer_record import Answer
from dlvr_plugin.survey.study import STUDY, Study, read_study

ANSWERS = 'answers.sqlite'

Outcome = Literal['stored', 'known', 'refused']
"""A new answer; one that was stored before, sent again; another one than that which is stored, or out of turn."""

_SCHEMA = """
CREATE TABLE study (id TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE consents (participant TEXT PRIMARY KEY, language TEXT NOT NULL, received REAL NOT NULL);
CREATE TABLE answers (
    participant TEXT NOT NULL, turn INTEGER NOT NULL, submission TEXT NOT NULL, choice TEXT NOT NULL,
    received REAL NOT NULL, record TEXT NOT NULL, PRIMARY KEY (participant, turn)
);
"""
_WAIT_SECONDS = 30.0  # for another process that writes


class Progress(NamedTuple):
    """How far a participant is: whether there is consent, and the number of answers."""

    consented: bool
    answered: int


class StoredAnswer(NamedTuple):
    """An answer as it is stored; ``turn`` counts the participant's from 0, ``received`` is in seconds since 1970."""

    participant: str
    turn: int
    choice: str
    received: float
    record: dict[str, Any]


class AnswerStore:
    """Answers of a study; may be used by several threads and processes at once.

    Args:
        folder: Of the study.

    Raises:
        DataError: The study or the store is missing or damaged, or the study was changed after it was made: its rules
            are fixed.
    """

    def __init__(self, folder: Path) -> None:
        self.study, digest = read_study(folder)
        self.path = folder / ANSWERS
        if not self.path.is_file():
            raise DataError(f'{self.path} is missing. Put it back, or make the study again.')
        self._lock = threading.Lock()
        try:
            self._connection = _connect(self.path)
            found = self._connection.execute('SELECT id, sha256 FROM study').fetchall()
        except sqlite3.DatabaseError as error:
            raise DataError(f'{self.path} cannot be used: {error}. Put back a copy of it.') from error
        if found != [(self.study.id, digest)]:
            self._connection.close()
            raise DataError(
                f'{folder / STUDY} is not the file that this study was made with: what is asked and which answers '
                'count is fixed. Put it back, or make a new study.'
            )

    @staticmethod
    def create(folder: Path, study: Study, digest: str) -> None:
        """Make the empty store of a study, whose file has the SHA-256 ``digest``."""
        connection = _connect(folder / ANSWERS)
        connection.executescript(_SCHEMA)
        connection.execute('INSERT INTO study VALUES (?, ?)', (study.id, digest))
        connection.close()
        (folder / ANSWERS).chmod(0o600)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def progress(self, participant: str) -> Progress:
        """Return how far a participant is."""
        with self._lock:
            consents = self._connection.execute('SELECT 1 FROM consents WHERE participant = ?', (participant,))
            consented = consents.fetchone() is not None
            return Progress(consented, self._count(participant))

    def consent(self, participant: str, language: str) -> None:
        """Store that a participant agreed, the first time only."""
        with self._transaction():
            self._add_consent(participant, language)

    def add(self, participant: str, answer: Answer) -> Outcome:
        """Store an answer, if it is that to the participant's next turn; it is on the disk when this returns."""
        with self._transaction():
            return self._add(participant, answer)

    def add_all(self, participant: str, language: str, answers: Sequence[Answer]) -> dict[Outcome, int]:
        """Store all answers of a participant, or none where one is refused; return how many met with which outcome."""
        outcomes: dict[Outcome, int] = {'stored': 0, 'known': 0, 'refused': 0}
        with self._transaction() as connection:
            self._add_consent(participant, language)
            for answer in answers:
                outcomes[self._add(participant, answer)] += 1
            if outcomes['refused']:
                connection.execute('ROLLBACK')
                outcomes['stored'] = 0
        return outcomes

    def read(self) -> list[StoredAnswer]:
        """Return all answers, in the order of participants and turns."""
        with self._lock:
            rows = self._connection.execute(
                'SELECT participant, turn, choice, received, record FROM answers ORDER BY participant, turn'
            ).fetchall()
        return [
            StoredAnswer(participant, turn, choice, received, json.loads(record))
            for participant, turn, choice, received, record in rows
        ]

    def _add_consent(self, participant: str, language: str) -> None:
        self._connection.execute(
            'INSERT OR IGNORE INTO consents VALUES (?, ?, ?)', (participant, language, time.time())
        )

    def _add(self, participant: str, answer: Answer) -> Outcome:
        known = self._connection.execute(
            'SELECT submission FROM answers WHERE participant = ? AND turn = ?', (participant, answer.turn)
        ).fetchone()
        if known is not None:
            return 'known' if known[0] == answer.submission else 'refused'
        if answer.turn != self._count(participant):
            return 'refused'
        record = json.dumps(answer.record, ensure_ascii=False)
        row = (participant, answer.turn, answer.submission, answer.choice, time.time(), record)
        self._connection.execute('INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)', row)
        return 'stored'

    def _count(self, participant: str) -> int:
        counted = self._connection.execute('SELECT COUNT(*) FROM answers WHERE participant = ?', (participant,))
        return int(counted.fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Let one thread and process write; all or nothing is on the disk afterwards."""
        with self._lock:
            self._connection.execute('BEGIN IMMEDIATE')
            try:
                yield self._connection
                if self._connection.in_transaction:
                    self._connection.execute('COMMIT')
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute('ROLLBACK')
                raise


def _connect(path: Path) -> sqlite3.Connection:
    # Without an isolation level, transactions begin and end where they are said to.
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = FULL')  # a commit outlives the machine, too, not only the process
    return connection
