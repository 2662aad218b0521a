"""``dlvr survey make``: make a study from an evaluation."""

import argparse
from collections import Counter

from basicsr.utils import get_root_logger

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.survey.make_study import LINKS, StudyOptions, make_study
from dlvr_plugin.survey.preference import answers_needed, widest_half
from dlvr_plugin.survey.study import SITE, Rules, Study


def run(args: argparse.Namespace) -> None:
    """Make the study, and say how sure its numbers will be.

    Raises:
        ValueError: Arguments or data that cannot be used. OSError: The study cannot be written.
    """
    if not 0.1 <= args.half_width < 50:
        raise InvalidValueError(f'--half-width must be 0.1 to below 50 percent, got {args.half_width:g}.')
    rules = Rules(
        min_switches=args.min_switches, min_seconds=args.min_seconds, max_failed_checks=args.max_failed_checks
    )
    options = StudyOptions(
        pairs=args.pairs,
        mode=args.mode,
        frames=args.frames,
        whole_clips=args.whole_clips,
        clips=args.clips,
        participants=args.participants,
        trials=args.trials,
        checks=args.checks,
        practice=args.practice,
        seed=args.seed,
        rules=rules,
        allow_no_difference=args.allow_no_difference,
        texts=args.texts,
        image_format=args.image_format,
        quality=args.quality,
        frame_rate=args.frame_rate,
    )
    study = make_study(args.evaluation, args.out, options)
    log = get_root_logger()
    log.info(
        f'{args.out}: {len(study.participants)} participants, {len(study.participants[0].turns)} comparisons each, '
        f'practice and checks included. Their links: {args.out / LINKS}.'
    )
    for line in describe_numbers(study, args.half_width / 100):
        log.info(line)
    log.info(f'Now: dlvr survey serve {args.out}, or put {args.out / SITE} on a web server and collect their files.')


def describe_numbers(study: Study, half_width: float) -> list[str]:
    """Return how many answers a wished interval takes, and how many the study gets at most."""
    needed = answers_needed(half_width)
    lines = [f'An interval of at most {100 * half_width:g} % to either side takes {needed} answers that count.']
    of_pair: Counter[tuple[int, str]] = Counter()
    of_clip: Counter[tuple[int, str, str]] = Counter()
    for comparison in study.comparisons:
        if comparison.pair is not None:
            of_pair[comparison.pair, comparison.mode] = of_clip[comparison.pair, comparison.mode, comparison.clip] = 0
    for participant in study.participants:
        for turn in participant.turns:
            comparison = study.comparisons[turn.comparison]
            if comparison.pair is not None:
                of_pair[comparison.pair, comparison.mode] += 1
                of_clip[comparison.pair, comparison.mode, comparison.clip] += 1
    for (pair, mode), count in of_pair.items():
        fewest = min(each for (index, of_mode, _), each in of_clip.items() if (index, of_mode) == (pair, mode))
        lines.append(
            f'{":".join(study.pairs[pair])} ({mode}): {_describe(count, needed)} in all, '
            f'{_describe(fewest, needed)} a clip, if all answer.'
        )
    return lines


def _describe(count: int, needed: int) -> str:
    verdict = 'enough' if count >= needed else 'too few'
    return f'{count} answers (± {100 * widest_half(count):.1f} %, {verdict})'
