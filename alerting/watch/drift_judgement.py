"""The spans of hours that end with a window, judged against those of other days.

As in ``judgement.py``: statistics from the detectors, floors in dollars, and nothing remembered.
"""

from alerting.alert import Severity
from alerting.watch.judgement import Spend
from alerting.watch.lifecycle import Drifted, JudgedWindow
from detectors.detector import State, score_of
from detectors.drift import DriftDetector
from detectors.signal import Band
from detectors.span_edges import Edge, Span
from detectors.window import HOUR_SECONDS, Window


def judge_drift(
    detector: DriftDetector,
    state: State,
    band: Band,
    window: Window,
    spend: Spend,
    *,
    is_going_on: bool,
) -> JudgedWindow | None:
    """The spans that end with a window; ``None`` if all are usual.

    A window in which nothing is spent begins nothing, and none is unusual once what is spent is as
    usual again, however dear its span still is. In an episode half of what begins one goes on with
    it: a span that lies near its edge for hours is one alert, not one an hour.

    Beyond the firm edge it is a warning, or critical by what is above expectation in all: who
    overspends for hours at a small pace has time to see it, and still loses the money. Of a window
    beyond its own band only the band counts: more of it is that judgement's. What may be the usual
    of other hours begins nothing.
    """
    cost = spend.cost_nanousd
    if not cost and not is_going_on:
        return None
    counted = min(cost, band.edge_nanousd)
    unusual = [
        _drifted(span, band, window, spend, critical_nanousd=detector.critical_nanousd)
        for span in detector.spans(state, counted)
        if span.spent_nanousd + counted > _limit(span.edge, is_going_on=is_going_on)
        and (is_going_on or not span.is_moved(counted))
        and not detector.is_back(state, span.edge, window, cost, is_going_on=is_going_on)
    ]
    return max(unusual, key=lambda each: (each.severity.rank, each.score), default=None)


def _limit(edge: Edge, *, is_going_on: bool) -> int:
    if is_going_on:
        return (edge.expected_nanousd + edge.upper_nanousd) // 2
    return edge.upper_nanousd


def _drifted(
    span: Span, band: Band, window: Window, spend: Spend, *, critical_nanousd: int
) -> JudgedWindow:
    edge, cost_nanousd = span.edge, spend.cost_nanousd
    observed = span.spent_nanousd + span.aside_nanousd + cost_nanousd
    excess, severity = observed - edge.expected_nanousd, Severity.INFO
    if span.spent_nanousd + min(cost_nanousd, band.edge_nanousd) > edge.firm_nanousd:
        severity = Severity.CRITICAL if excess >= critical_nanousd else Severity.WARNING
    hour = window.start_seconds - window.start_seconds % HOUR_SECONDS
    start = hour - (edge.hours - 1) * HOUR_SECONDS
    own = max(cost_nanousd - band.expected_nanousd, 0)
    return JudgedWindow(
        window=window,
        is_anomalous=True,
        has_data=bool(cost_nanousd or spend.requests),
        observed_nanousd=observed,
        expected_nanousd=edge.expected_nanousd,
        lower_nanousd=edge.expected_nanousd * edge.expected_nanousd // max(edge.upper_nanousd, 1),
        upper_nanousd=edge.upper_nanousd,
        score=score_of(excess, edge.upper_nanousd - edge.expected_nanousd),
        excess_nanousd=excess,
        severity=severity,
        drifted=Drifted(
            Window(start, window.end_seconds), cost_nanousd, min(own, excess), span.told_nanousd
        ),
    )
