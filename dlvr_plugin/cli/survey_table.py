"""``dlvr survey table``: what the answers of a study say."""

import argparse
import sys

from basicsr.utils import get_root_logger

from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.report.figure_style import save_figure
from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.preference_figure import draw_preferences
from dlvr_plugin.survey.tables import format_csv, format_latex, format_markdown, format_text
from dlvr_plugin.survey.tally import count_answers


def run(args: argparse.Namespace) -> None:
    """Print the tables, and write them.

    Raises:
        DataError: The study or its answers cannot be used. OSError: A file cannot be written.
    """
    store = AnswerStore(args.study)
    answers = store.read()
    store.close()
    tally = count_answers(store.study, answers)
    sys.stdout.write(format_text(store.study, tally))
    out = args.out or args.study / 'table'
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / 'table.md', format_markdown(store.study, tally).encode())
    write_atomic(out / 'table.tex', format_latex(store.study, tally).encode())
    write_atomic(out / 'answers.csv', format_csv(store.study, answers).encode())
    save_figure(draw_preferences(tally), out / 'preferences')
    get_root_logger().info(f'{out}: table.md, table.tex, answers.csv, preferences.png and .pdf are written.')
