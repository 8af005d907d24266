"""What is known of one scope as plain data for msgpack, and back.

This file only encodes. Whoever changes a form raises ``LIVE_VERSION``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from alerting.alert import Severity, Transition
from alerting.exemplar import Exemplar
from alerting.watch.lifecycle import NOTHING, Episode, Spent
from alerting.watch.scope_state import BudgetAccount, Cell, PeriodSpend, Row, ScopeState, Track
from detectors.signal import Band

LIVE_VERSION = 10

_SEVERITIES = tuple(Severity)
_TRANSITIONS = tuple(Transition)


def check_version(live: Sequence[Any]) -> None:
    """Refuse a live row of another form.

    Raises:
        ValueError: if it is one.
    """
    if live[0] != LIVE_VERSION:
        raise ValueError(f"live state of version {live[0]}; this program reads {LIVE_VERSION}")


def live_row(state: ScopeState, window_seconds: int) -> Row:
    """What must be durable soon; encode it before the next row is folded."""
    return [
        LIVE_VERSION,
        state.first_minute,
        state.last_minute,
        state.late_rows,
        state.skipped_rows,
        state.totals,
        accounts_to_row(state.accounts) if state.accounts else [],
        window_seconds,
        state.open_start,
        cells_to_row(state.cells),
        tracks_to_row(state.tracks) if state.tracks else [],
        state.has_profile,
        state.log_from,
        list(state.log),
    ]


def band_to_row(band: Band | None) -> Row | None:
    """Its eight attributes."""
    if band is None:
        return None
    return [
        band.expected_nanousd,
        band.lower_nanousd,
        band.upper_nanousd,
        band.spread_nanousd,
        band.source,
        band.firm_nanousd,
        band.minute_nanousd,
        band.minute_calls,
    ]


def band_from_row(row: Sequence[Any] | None) -> Band | None:
    """Back."""
    return None if row is None else Band(*row)


def cells_to_row(cells: dict[int, Cell]) -> Row:
    """Per window: start, cost, calls, last minute, amounts, parts, exemplar."""
    return [
        [
            start,
            cell.cost_nanousd,
            cell.requests,
            cell.last_minute,
            cell.amounts,
            cell.parts or {},
            cell.exemplar,
        ]
        for start, cell in sorted(cells.items())
    ]


def cells_from_row(row: Sequence[Any]) -> dict[int, Cell]:
    """Back."""
    return {
        start: Cell(
            cost,
            requests,
            last_minute,
            list(amounts),
            {each: {**of} for each, of in parts.items()} or None,
            _exemplar_from_row(exemplar),
        )
        for start, cost, requests, last_minute, amounts, parts, exemplar in row
    }


def _exemplar_from_row(row: Sequence[Any] | None) -> Exemplar | None:
    return None if row is None else Exemplar(*row)


def tracks_to_row(tracks: dict[str, Track]) -> Row:
    """Flat: kind, track, and so on."""
    return [x for kind, track in tracks.items() for x in (kind, _track_to_row(track))]


def tracks_from_row(row: Sequence[Any]) -> dict[str, Track]:
    """Back."""
    return {kind: _track_from_row(track) for kind, track in zip(row[::2], row[1::2], strict=True)}


def _track_to_row(track: Track) -> Row:
    return [
        None if track.episode is None else _episode_to_row(track.episode),
        [_TRANSITIONS.index(each) for each in sorted(track.told)],
        None if track.told_severity is None else _SEVERITIES.index(track.told_severity),
        track.told_at,
        track.parts,
        track.parts_calm,
        list(track.amounts),
        list(track.amounts_calm),
        [x for pair in track.recent for x in pair],
        track.exemplar,
    ]


def _track_from_row(row: Sequence[Any]) -> Track:
    episode, told, told_severity, told_at, parts, parts_calm, *rest = row
    amounts, amounts_calm, recent, exemplar = rest
    return Track(
        episode=None if episode is None else _episode_from_row(episode),
        told=frozenset(_TRANSITIONS[index] for index in told),
        told_severity=None if told_severity is None else _SEVERITIES[told_severity],
        told_at=told_at,
        parts=parts,
        parts_calm=parts_calm,
        amounts=list(amounts),
        amounts_calm=list(amounts_calm),
        recent=list(zip(recent[::2], recent[1::2], strict=True)),
        exemplar=_exemplar_from_row(exemplar),
    )


def accounts_to_row(accounts: Iterable[BudgetAccount]) -> Row:
    """Per period with money: budget's name, start, and the fields of ``PeriodSpend``."""
    return [
        [
            account.rule.name,
            start,
            period.end_seconds,
            period.spent_nanousd,
            period.levels_told,
            period.fired_at,
            period.days_told,
            period.told_nanousd,
            [x for pair in sorted(period.by_day.items()) for x in pair],
        ]
        for account in accounts
        for start, period in sorted(account.periods.items())
    ]


def enter_accounts(accounts: Iterable[BudgetAccount], row: Sequence[Any]) -> None:
    """Put money back into the accounts that there still are."""
    by_name = {account.rule.name: account for account in accounts}
    for name, start, *figures, by_day in row:
        if name in by_name:
            period = by_name[name].periods[start] = PeriodSpend(*figures)
            period.by_day = dict(zip(by_day[::2], by_day[1::2], strict=True))


def _episode_to_row(episode: Episode) -> Row:
    return [
        episode.started_at,
        episode.fired_at,
        _SEVERITIES.index(episode.severity),
        episode.anomalous_windows,
        episode.calm_windows,
        episode.has_calm_data,
        episode.was_held,
        *_spent_to_row(episode.spent),
        *_spent_to_row(episode.spent_calm),
        *_spent_to_row(episode.before),
        episode.before_from,
    ]


def _episode_from_row(row: Sequence[Any]) -> Episode:
    started_at, fired_at, severity, anomalous, calm, has_calm_data, was_held, *spent = row
    return Episode(
        started_at=started_at,
        fired_at=fired_at,
        severity=_SEVERITIES[severity],
        anomalous_windows=anomalous,
        calm_windows=calm,
        has_calm_data=has_calm_data,
        was_held=was_held,
        spent=_spent_from_row(spent[:3]),
        spent_calm=_spent_from_row(spent[3:6]),
        before=_spent_from_row(spent[6:9]),
        before_from=spent[9],
    )


def _spent_to_row(spent: Spent) -> Row:
    return [spent.windows, spent.observed_nanousd, spent.excess_nanousd]


def _spent_from_row(row: Sequence[Any]) -> Spent:
    spent = Spent(*row)
    return NOTHING if spent == NOTHING else spent
