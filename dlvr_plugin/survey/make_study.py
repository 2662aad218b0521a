"""Make a study from an evaluation: its pictures, its file, the pages and the links of its participants."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from dlvr_plugin.core.declarations import NOT_EMPTY, NOT_NEGATIVE, POSITIVE, Range, check_fields
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import atomic_folder, write_atomic
from dlvr_plugin.evaluation.evaluated_clips import choose_clips
from dlvr_plugin.evaluation.evaluation_file import GROUND_TRUTH, Evaluation, read_evaluation
from dlvr_plugin.report.tradeoff import Pair, parse_pair
from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.page_texts import read_texts
from dlvr_plugin.survey.plan import draw_turns, sample_frames
from dlvr_plugin.survey.static_pages import write_pages
from dlvr_plugin.survey.stimuli import BICUBIC, GOOD, PictureFormat, Request, StimulusList, write_stimuli
from dlvr_plugin.survey.study import (
    FRAMES,
    SITE,
    STUDY,
    Comparison,
    Kind,
    Mode,
    Participant,
    Rules,
    Study,
    format_study,
    read_study,
)

LINKS = 'links.txt'
_VISUALLY_LOSSLESS = 90  # of WebP's quality: what is worse would be judged with the methods

ModeChoice = Literal['toggle', 'side-by-side', 'both']
_MODES: dict[ModeChoice, tuple[Mode, ...]] = {'toggle': ('toggle',), 'side-by-side': ('side',), 'both': get_args(Mode)}


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """How a study is made.

    Attributes:
        pairs: ``METHOD:OTHER`` each, two methods of the evaluation that are compared.
        mode: How pictures are compared; with 'both', each comparison is made in each way.
        frames: Frames of each clip, at equal distances.
        whole_clips: Show whole clips instead.
        clips: Those to show, None for all.
        participants: How many take part.
        trials: Comparisons of each participant, None for all.
        checks: Attention checks of each of the two kinds.
        practice: Comparisons to get used to the page, which do not count.
        seed: Of order and sides.
        rules: Of exclusion.
        allow_no_difference: Offer 'no difference' as an answer.
        texts: Languages of the page, or files with its texts.
        image_format: Of the pictures; PNG keeps every pixel.
        quality: Of WebP.
        frame_rate: Frames a second of clips that do not say it.

    Raises:
        InvalidValueError: A value out of range, or two that contradict one another.
    """

    pairs: Annotated[Sequence[str], NOT_EMPTY]
    mode: ModeChoice = 'toggle'
    frames: Annotated[int, POSITIVE] = 3
    whole_clips: bool = False
    clips: Sequence[str] | None = None
    participants: Annotated[int, Range(minimum=1, maximum=100_000)] = 40
    trials: Annotated[int, POSITIVE] | None = None
    checks: Annotated[int, Range(minimum=0, maximum=100)] = 1
    practice: Annotated[int, Range(minimum=0, maximum=100)] = 2
    seed: Annotated[int, NOT_NEGATIVE] = 0
    rules: Rules = field(default_factory=Rules)
    allow_no_difference: bool = False
    texts: Annotated[Sequence[str], NOT_EMPTY] = ('en',)
    image_format: Literal['png', 'webp'] = 'png'
    quality: Annotated[int, Range(minimum=_VISUALLY_LOSSLESS, maximum=100)] = 95
    frame_rate: Annotated[float, Range(above=0, maximum=1000)] = 24.0

    def __post_init__(self) -> None:
        check_fields(self)


def make_study(source: Path, out: Path, options: StudyOptions) -> Study:
    """Write a study: ``study.json``, the links, an empty store of answers, and the site.

    Args:
        source: Folder of an evaluation, or its file.
        out: Folder to write; it must not exist.
        options: How.

    Raises:
        FileExistsError: The folder exists. DataError: The evaluation, frames that it names, or texts cannot be used.
        InvalidValueError: An option that does not fit the evaluation. OSError: The study cannot be written.
    """
    evaluation = read_evaluation(source)
    texts = read_texts(options.texts)
    pairs = _parse_pairs(options.pairs, evaluation)
    clips = choose_clips(evaluation, options.clips)
    stimuli = StimulusList()
    comparisons = list(_list_comparisons(evaluation, clips, pairs, options, stimuli))
    plans = draw_turns(comparisons, num_participants=options.participants, num_trials=options.trials, seed=options.seed)
    key = secrets.token_hex(32)
    with atomic_folder(out) as folder:
        frames = folder / SITE / FRAMES
        frames.mkdir(parents=True)
        written = write_stimuli(
            evaluation, stimuli.requests, frames, key, PictureFormat(options.image_format, options.quality)
        )
        study = Study(
            id=secrets.token_hex(8),
            key=key,
            seed=options.seed,
            name=(source if source.is_dir() else source.parent).resolve().name,
            picture='PNG, every pixel as measured'
            if options.image_format == 'png'
            else f'WebP of quality {options.quality}: visually lossless, not what was measured',
            allow_no_difference=options.allow_no_difference,
            rules=options.rules,
            pairs=tuple((pair.method, pair.reference) for pair in pairs),
            stimuli=written,
            comparisons=tuple(comparisons),
            participants=tuple(Participant(token=secrets.token_urlsafe(16), turns=turns) for turns in plans),
            texts=texts,
        )
        write_atomic(folder / STUDY, format_study(study))
        (folder / STUDY).chmod(0o600)  # who reads it can answer for everybody
        write_atomic(folder / LINKS, ''.join(f'{each.token}.html\n' for each in study.participants).encode())
        (folder / LINKS).chmod(0o600)
        AnswerStore.create(folder, study, read_study(folder)[1])
        write_pages(study, folder / SITE)
    return study


def _parse_pairs(texts: Sequence[str], evaluation: Evaluation) -> list[Pair]:
    pairs = [parse_pair(text, evaluation) for text in texts]
    seen: set[frozenset[str]] = set()
    for pair in pairs:
        if frozenset(pair) in seen:
            raise InvalidValueError(f'The pair {pair.method}:{pair.reference} is given twice.')
        seen.add(frozenset(pair))
    return pairs


def _list_comparisons(
    evaluation: Evaluation, clips: Sequence[str], pairs: Sequence[Pair], options: StudyOptions, stimuli: StimulusList
) -> Iterator[Comparison]:
    """Yield trials, checks and practice; what they show goes into the list of stimuli."""
    modes = _MODES[options.mode]
    # What is better than its bicubic version: the ground truth or, where there is none, a method's own pictures.
    good = GROUND_TRUTH if 'gt_root' in evaluation else pairs[0].method
    places = [(clip, frame) for clip in clips for frame in _places(evaluation, clip, options)]

    def compare(
        kind: Kind, mode: Mode, place: tuple[str, int | None], sources: tuple[str, str], pair: int | None = None
    ) -> Comparison:
        clip, frame = place
        rate = None if frame is not None else evaluation['clips'][clip]['frame_rate'] or options.frame_rate
        shown = tuple(range(len(evaluation['clips'][clip]['frames']))) if frame is None else (frame,)
        # The picture of a check is stored twice, so that no name gives away that both are one.
        first, second = (
            stimuli.add(Request(source, clip, shown, rate, copy=int(kind == 'same' and is_second), owner=good))
            for is_second, source in enumerate(sources)
        )
        return Comparison(kind=kind, mode=mode, pair=pair, clip=clip, frame=frame, first=first, second=second)

    for index, pair in enumerate(pairs):
        for mode in modes:
            for place in places:
                yield compare('trial', mode, place, (pair.method, pair.reference), index)
    for index in range(options.checks):
        # Places and methods in turn, from different ends: no two checks are alike as long as there are others.
        mode, method = modes[index % len(modes)], pairs[index % len(pairs)][index // len(pairs) % 2]
        yield compare('same', mode, places[index % len(places)], (method, method))
        yield compare('bicubic', mode, places[-1 - index % len(places)], (GOOD, BICUBIC))
    for index in range(options.practice):
        yield compare('practice', modes[index % len(modes)], places[index % len(places)], (GOOD, BICUBIC))


def _places(evaluation: Evaluation, clip: str, options: StudyOptions) -> list[int | None]:
    """Return the frames of a clip that are shown, None for all of it."""
    if options.whole_clips:
        return [None]
    try:
        return list(sample_frames(len(evaluation['clips'][clip]['frames']), options.frames))
    except InvalidValueError as error:
        raise InvalidValueError(f'Clip {clip}: {error}') from error
