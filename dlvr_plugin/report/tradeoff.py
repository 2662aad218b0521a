"""What one method gains on another, and what it gives up for it, in a sentence."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.evaluation.evaluation_file import Evaluation, MetricEntry
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.metrics.spec import Aspect
from dlvr_plugin.report.table_formats import format_value

_ASPECTS: dict[Aspect, str] = {
    'perception': 'perceptual quality',
    'distortion': 'fidelity to the pixels',
    'motion': 'fidelity of motion',
    'consistency': 'consistency with the input',
    'sharpness': 'sharpness',
    'steadiness': 'steadiness',
}


def second_metrics() -> list[str]:
    """Return the metrics of perception and motion: the first that was measured stands against distortion."""
    return [name for aspect in ('perception', 'motion') for name in METRICS if METRICS[name].aspect == aspect]


class Pair(NamedTuple):
    """A method, and the one that it is compared with."""

    method: str
    reference: str


def parse_pair(text: str, evaluation: Evaluation) -> Pair:
    """Read ``METHOD:REFERENCE``, the names of two methods of an evaluation, which may hold colons themselves.

    Raises:
        InvalidValueError: It names no two different methods.
    """
    methods = evaluation['methods']
    parts = text.split(':')
    for cut in range(1, len(parts)):
        pair = Pair(':'.join(parts[:cut]).strip(), ':'.join(parts[cut:]).strip())
        if pair.method in methods and pair.reference in methods and pair.method != pair.reference:
            return pair
    raise InvalidValueError(
        f'A pair must be METHOD:REFERENCE, two different ones of {", ".join(methods)}; got {text!r}.'
    )


def list_findings(evaluation: Evaluation, pairs: Iterable[Pair]) -> list[str]:
    """Return what a reader has to know first: the tradeoff of each pair, and what could not be measured."""
    findings = [describe_tradeoff(evaluation, pair) for pair in pairs]
    if missing := evaluation['protocol'].get('not_measured'):
        findings.append(f'Not measured: {missing}')
    return findings


def describe_tradeoff(evaluation: Evaluation, pair: Pair) -> str:
    """Return in which metrics the means of a method are better than those of its reference, and in which worse.

    Metrics stand in the order in which they were asked for, by what they judge. Those whose means a table shows as
    equal are left out, and so is a metric of ours that is better the lower, where it is at most 0 for both: it finds
    nothing wrong with either.
    """
    better: dict[str, list[str]] = {}
    worse: dict[str, list[str]] = {}
    means, reference_means = (evaluation['methods'][name]['mean'] for name in pair)
    for name, metric in evaluation['metrics'].items():
        texts = [format_value(mean[name], metric['decimals']) for mean in (reference_means, means)]
        is_lower_better = metric['direction'] == 'lower'
        is_faultless = name in METRICS and is_lower_better and max(means[name], reference_means[name]) <= 0
        if texts[0] != texts[1] and not is_faultless:
            is_better = (means[name] < reference_means[name]) == is_lower_better
            aspect = _ASPECTS[METRICS[name].aspect] if name in METRICS else metric['label']
            change = _describe_change(metric, texts, means[name], reference_means[name])
            (better if is_better else worse).setdefault(aspect, []).append(change)
    found = ', '.join(_list(word, changes) for word, changes in (('better', better), ('worse', worse)) if changes)
    return f'{pair.method} against {pair.reference}: {found or "equal in all that was measured"}.'


def _describe_change(metric: MetricEntry, texts: list[str], mean: float, reference: float) -> str:
    """Return what became of a metric, such as 'LPIPS 0.437 → 0.302, -30.9 %'; percent only of what has no unit."""
    change = f'{metric["label"]} {texts[0]} → {texts[1]}'
    if metric['unit']:
        return f'{change} {metric["unit"]}'
    if reference <= 0 or not math.isfinite(mean) or not math.isfinite(reference):
        return change
    return f'{change}, {100 * (mean / reference - 1):+.1f} %'


def _list(word: str, changes: dict[str, list[str]]) -> str:
    """Return 'better in A (x; y) and in B (z)'."""
    return f'{word} in ' + ' and in '.join(f'{aspect} ({"; ".join(parts)})' for aspect, parts in changes.items())
