"""Who is shown what, when and on which side: drawn once, from a seed."""

from collections.abc import Sequence

import numpy as np

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.survey.study import Comparison, Turn


def draw_turns(
    comparisons: Sequence[Comparison], *, num_participants: int, num_trials: int | None, seed: int
) -> list[tuple[Turn, ...]]:
    """Draw what each participant is shown.

    Practice comes first, in its order. Trials and checks follow in an order of the participant's own. Of the trials
    of each participant, half have their first method as A, or one more or less.

    Args:
        comparisons: Of the study.
        num_participants: How many there are.
        num_trials: Trials of each participant, None for all. Those are taken that were drawn the fewest times before,
            so that all are drawn equally often, or once more or less.
        seed: Of all draws; the same one gives the same plan.

    Raises:
        InvalidValueError: More trials are asked for than there are.
    """
    of_kind = {kind: [index for index, each in enumerate(comparisons) if each.kind == kind] for kind in _KINDS}
    trials = of_kind['trial']
    if num_trials is not None and not 1 <= num_trials <= len(trials):
        raise InvalidValueError(
            f'A participant can be given 1 to {len(trials)} trials, as many as the study has; got {num_trials}.'
        )
    checks = of_kind['same'] + of_kind['bicubic']
    rng = np.random.default_rng(seed)
    times_drawn = np.zeros(len(trials), int)
    plans = []
    for _ in range(num_participants):
        # A random number breaks ties between those that were drawn equally often.
        chosen = np.lexsort((rng.random(len(trials)), times_drawn))[:num_trials]
        times_drawn[chosen] += 1
        own = [trials[index] for index in chosen]
        turns = [*_draw_sides(own, rng), *_draw_sides(checks, rng)]
        practice = _draw_sides(of_kind['practice'], rng)
        plans.append((*practice, *(turns[index] for index in rng.permutation(len(turns)))))
    return plans


_KINDS = ('trial', 'same', 'bicubic', 'practice')


def _draw_sides(indices: Sequence[int], rng: np.random.Generator) -> list[Turn]:
    """Return turns of which half are swapped; of an odd number, chance decides about one."""
    swapped = (np.arange(len(indices)) + rng.integers(2)) % 2 == 1
    return [Turn(index, bool(side)) for index, side in zip(indices, rng.permutation(swapped), strict=True)]


def sample_frames(num_frames: int, num_wanted: int) -> list[int]:
    """Return the indices of frames at equal distances, those at the ends half as far from the ends.

    Raises:
        InvalidValueError: The clip has fewer.

    >>> sample_frames(30, 3)
    [5, 15, 25]
    """
    if not 1 <= num_wanted <= num_frames:
        raise InvalidValueError(f'Of a clip of {num_frames} frames, 1 to {num_frames} can be shown; got {num_wanted}.')
    return [int((index + 0.5) * num_frames / num_wanted) for index in range(num_wanted)]
