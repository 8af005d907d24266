"""What a closed window teaches, and the bands that follow from it; once live, once from the log.

A closed window becomes a row of the log; applying the row is the only way to learn. So replaying
the rows that a durable profile has not absorbed gives the very state there was. Whether a window
may be learned is decided by ``scope_watch.py`` and written in the row.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from alerting.watch.dear_calls import learn_call_cost
from alerting.watch.judgement import Floors, observation_of
from alerting.watch.lesson import (
    LEFT_OUT,
    SEEN_ONCE,
    TEACHES_LEVEL,
    TEACHES_PARTS,
    TOLD,
    Lesson,
    told_nanousd,
)
from alerting.watch.lifecycle import Told
from alerting.watch.scope_rows import band_from_row, band_to_row
from alerting.watch.scope_state import Cell, Learned, Row
from detectors.absence import AbsenceDetector, AbsenceFinding
from detectors.attribution import MEANS, QUIET, WINDOWS, Attribution, AttributionConfig
from detectors.baseline import WINDOWS as AGE
from detectors.baseline import combine_bands
from detectors.calibration import LARGEST_NANOUSD, Calibration
from detectors.call_cost import CallCostDetector
from detectors.decomposition import COUNTED_BESIDE, Usual
from detectors.drift import DriftDetector
from detectors.first_seen import FirstSeen
from detectors.observation import BESIDE
from detectors.ratios import RatioDetector, RatioFinding
from detectors.seasonal import HOUR as SUMMED_HOUR
from detectors.seasonal import SEASONAL_SOURCE, SeasonalConfig, SeasonalDetector
from detectors.signal import Band
from detectors.spike import SpikeConfig, SpikeDetector
from detectors.window import HOUR_SECONDS, Window

Turn = RatioFinding | AbsenceFinding
"""What closed windows say that no band does."""

FAR_CEILINGS = 10
"""Times what a newborn may spend that no chance explains in who was never seen near it: $500 an
hour, by the defaults. The incident this program exists for is $708."""


class Learner:
    """Learns the windows of one scope after the other; the state is the caller's."""

    def __init__(
        self,
        spike: SpikeConfig,
        seasonal: SeasonalConfig | None,
        drift: DriftDetector | None,
        attribution: AttributionConfig,
        window_seconds: int,
        *,
        ratios: RatioDetector | None,
        absence: AbsenceDetector | None,
        call_cost: CallCostDetector | None,
        floors: Floors,
        chance: float,
    ) -> None:
        """From configuration; keeps no state.

        Args:
            spike: of the EWMA.
            seasonal: of the seasonal baseline; ``None``: there is none.
            drift: judges hours and days; ``None``: nobody does.
            attribution: of the contributors' own means.
            window_seconds: length of the judged windows.
            ratios: judges what dollars buy; ``None``: nobody does.
            absence: looks for silence, where there is a drift; ``None``: nobody does.
            call_cost: knows what a call costs; ``None``: nobody does.
            floors: from which excess a window is told loudly.
            chance: share of a scope's hours that may pass a firm edge though nothing is wrong.
        """
        self.window_seconds = window_seconds
        self.spike = SpikeDetector(spike, window_seconds)
        self.seasonal = None if seasonal is None else SeasonalDetector(seasonal, window_seconds)
        self.drift = drift
        self._floors = floors
        self.attribution = Attribution(attribution, window_seconds)
        self.calibration = Calibration(
            chance, FAR_CEILINGS * self.spike.ceiling_nanousd or LARGEST_NANOUSD
        )
        self.usual = Usual(self.attribution.gain)
        self.first_seen = FirstSeen()
        self.ratios = ratios
        self.absence = None if drift is None else absence
        self.call_cost = call_cost

    def fresh(self, start: int) -> Learned:
        """Nothing learned of a scope whose first window begins at ``start`` (epoch seconds)."""
        learned = Learned(
            through=start,
            spike=self.spike.fresh(),
            calibration=self.calibration.fresh(),
            seasonal=[] if self.seasonal is None else self.seasonal.fresh(),
            drift=[] if self.drift is None else self.drift.fresh(),
            contributors=self.attribution.fresh(),
            usual=self.usual.fresh(),
            first_seen=self.first_seen.fresh(start),
            ratios=[] if self.ratios is None else self.ratios.fresh(),
            absence=[] if self.absence is None else self.absence.fresh(),
            call_cost=[] if self.call_cost is None else self.call_cost.fresh(),
        )
        learned.band = self._expect(learned, start)
        learned.next_band = self._expect(learned, start + self.window_seconds)
        return learned

    def windows_learned(self, learned: Learned) -> int:
        """Windows from which the contributors are known."""
        windows: int = learned.contributors[WINDOWS] + learned.contributors[QUIET]
        return windows

    def apply(self, learned: Learned, row: Sequence[Any]) -> list[Turn]:
        """Learn one row of the log, and fix the bands that follow.

        The band of a window is fixed when the window but one before it is learned.

        Returns:
            What the windows, with those before them, say of ratios and of silence.
        """
        if row[0] == Lesson.QUIET:
            return self._pass(learned, row[1])
        found = self._look_for_silence(learned, row[1], is_held=row[0] == Lesson.HELD)
        self._learn(learned, row)
        found += self._learn_ratios(learned, row)
        learned.through += self.window_seconds
        if row[0] == Lesson.ABSORB:  # the new level holds from the very next window on
            learned.next_band = self._expect(learned, learned.through)
        self._move_bands(learned)
        return found

    def row(
        self,
        learned: Learned,
        lesson: Lesson,
        cell: Cell,
        recent: Sequence[int],
        told: Told | None,
    ) -> Row:
        """The row of a closed window.

        Args:
            learned: before it.
            lesson: what may be learned.
            cell: the window.
            recent: cost and calls of the windows before it, if it is absorbed.
            told: what people were told of, if an alert of it ended with the window.
        """
        parts = cell.parts or {}
        newcomers = self.first_seen.newcomers(
            learned.first_seen, parts, learned.contributors[MEANS]
        )
        row = [
            int(lesson),
            cell.cost_nanousd,
            cell.requests,
            parts if lesson in TEACHES_PARTS else {},
            [cell.spend.minute_nanousd, cell.spend.minute_calls],
            [*cell.beside, *newcomers],
        ]
        if lesson is Lesson.ABSORB:
            return [*row, list(recent)]
        return row if told is None else [*row, [], [told.since_seconds, told.excess_nanousd]]

    def _learn(self, learned: Learned, row: Sequence[Any]) -> None:
        lesson, cost, requests, parts, minute, beside = row[:6]
        if len(beside) > len(BESIDE):
            self.first_seen.learn(learned.first_seen, beside[len(BESIDE) :], learned.through)
        self._learn_of_hours(learned, row)
        if self.call_cost is not None:
            window = self._window(learned.through)
            learn_call_cost(self.call_cost, learned.call_cost, window, row)
        if lesson in LEFT_OUT:
            return
        is_drift = lesson == Lesson.DRIFT
        if learned.band is not None:
            window = self._window(learned.through)
            self.calibration.learn(
                learned.calibration, learned.band, window, cost, minute, is_odd=is_drift
            )
        if is_drift:
            return
        seen = observation_of(self._window(learned.through), cost, requests)
        if self.seasonal is not None:
            self.seasonal.learn(learned.seasonal, seen)
        if lesson in SEEN_ONCE:
            return
        if lesson == Lesson.ABSORB:
            recent = row[6]
            windows = zip(recent[::2], recent[1::2], strict=True)
            self.spike.reset_level(
                learned.spike, [observation_of(seen.window, *each) for each in windows]
            )
        else:
            self.spike.learn(learned.spike, seen)
        if lesson in TEACHES_PARTS:
            self.attribution.learn(learned.contributors, parts)
            self.usual.learn(learned.usual, (cost, requests, *beside[:COUNTED_BESIDE]))

    def _learn_ratios(self, learned: Learned, row: Sequence[Any]) -> list[Turn]:
        """A throttled scope's calls are not its usual mix; any others count, however many."""
        if self.ratios is None or row[0] == Lesson.HELD:
            return []
        window = self._window(learned.through)
        return [*self.ratios.learn(learned.ratios, window, row[1], row[2], row[5])]

    def silence_due_at(self, learned: Learned) -> int | None:
        """The end of the next hour at which silence may be news, if it lasts; ``None``: never."""
        if self.absence is None or self.drift is None:
            return None
        missed_from = partial(self.drift.missed_from, learned.drift)
        return self.absence.due_at(learned.absence, learned.through, missed_from)

    def _look_for_silence(self, learned: Learned, cost: int, *, is_held: bool) -> list[Turn]:
        if self.absence is None or self.drift is None:
            return []
        window = self._window(learned.through)
        edges = partial(self.drift.edges_of_silence, learned.drift)
        found = self.absence.learn(learned.absence, window, cost, edges, is_held=is_held)
        return [] if found is None else [found]

    def _learn_of_hours(self, learned: Learned, row: Sequence[Any]) -> None:
        """What was spent counts in its hours, whatever it teaches of others."""
        if self.drift is None:
            return
        lesson, cost, requests = row[:3]
        window = self._window(learned.through)
        self.drift.learn(
            learned.drift,
            window,
            cost,
            requests,
            aside_nanousd=told_nanousd(self._floors, learned.band, window, row),
            is_odd=lesson not in TEACHES_LEVEL,
        )
        if lesson == Lesson.ABSORB and (recent := row[6][::2]):
            seconds = len(recent) * self.window_seconds
            pace = sum(recent) * HOUR_SECONDS // seconds
            self.drift.accept(learned.drift, pace, max(seconds // HOUR_SECONDS, 1))
        if len(row) > TOLD:
            self.drift.leave_out(learned.drift, *row[TOLD], at_seconds=window.end_seconds)

    def _pass(self, learned: Learned, count: int) -> list[Turn]:
        """Let quiet windows pass; silence is looked at in those in which it is due."""
        found: list[Turn] = []
        while count:
            due_at = self.silence_due_at(learned)
            left = count if due_at is None else (due_at - learned.through) // self.window_seconds
            if due_at is None or left > count:
                self._skip(learned, count)
                break
            if left > 1:
                self._skip(learned, left - 1)
            found += self._look_for_silence(learned, 0, is_held=False)
            self._skip(learned, 1)
            count -= left
        return found

    def _skip(self, learned: Learned, count: int) -> None:
        if count > 1:
            self._skip_zeros(learned, count - 1)
            learned.next_band = self._expect(learned, learned.through + self.window_seconds)
        self._skip_zeros(learned, 1)
        self._move_bands(learned)

    def _skip_zeros(self, learned: Learned, count: int) -> None:
        first = self._window(learned.through)
        self.spike.skip(learned.spike, first, count)
        self.calibration.skip(learned.calibration, first, count)
        if self.seasonal is not None:
            self.seasonal.skip(learned.seasonal, first, count)
        if self.drift is not None:
            self.drift.skip(learned.drift, first, count)
        self.attribution.skip(learned.contributors, count)
        learned.through += count * self.window_seconds

    def _move_bands(self, learned: Learned) -> None:
        band = learned.next_band
        if band is not None and band.firm_nanousd is not None and band.source != SEASONAL_SOURCE:
            window = self._window(learned.through)
            left = self.calibration.left_of_hour(learned.calibration, band, window)
            if left < band.firm_nanousd:
                band = replace(band, firm_nanousd=left)
        learned.band = band
        learned.next_band = self._expect(learned, learned.through + self.window_seconds)

    def _expect(self, learned: Learned, start: int) -> Band | None:
        window = self._window(start)
        own = usual = self.spike.band(learned.spike, window)
        if self.seasonal is not None:
            usual = combine_bands(own, self._season(self.seasonal, learned, window))
        if usual is None:
            return self.spike.cold_band(window)
        if learned.spike[AGE] < self.spike.young_windows:
            return usual
        firm, minute, calls = self.calibration.edges(learned.calibration, usual, window)
        # A weekly job may spend in one minute what the season knows of and the last days do not.
        known = 0
        if own is not None and usual is not own:
            known = usual.expected_nanousd + usual.upper_nanousd - own.upper_nanousd
        return replace(
            usual,
            firm_nanousd=max(firm, known),
            minute_nanousd=max(minute, known),
            minute_calls=None if known else calls,
        )

    def _season(self, seasonal: SeasonalDetector, learned: Learned, window: Window) -> Band | None:
        """The same for all windows of an hour, until the hour that is summed up is over.

        Asked for each window, it was 20 of the 128 us that a window's end took of an old scope.
        """
        hours = window.start_seconds // HOUR_SECONDS, learned.seasonal[SUMMED_HOUR]
        if learned.season is None or learned.season[0] != hours:
            learned.season = hours, seasonal.band(learned.seasonal, window)
        return learned.season[1]

    def _window(self, start: int) -> Window:
        return Window(start, start + self.window_seconds)

    def snapshot(self, learned: Learned) -> Row:
        """As plain data; first how far it has learned, then what tells another configuration."""
        return [
            learned.through,
            self.window_seconds,
            self.spike.snapshot(learned.spike),
            self.calibration.snapshot(learned.calibration),
            None if self.seasonal is None else self.seasonal.snapshot(learned.seasonal),
            None if self.drift is None else self.drift.snapshot(learned.drift),
            self.attribution.snapshot(learned.contributors),
            self.usual.snapshot(learned.usual),
            self.first_seen.snapshot(learned.first_seen),
            None if self.ratios is None else self.ratios.snapshot(learned.ratios),
            None if self.absence is None else self.absence.snapshot(learned.absence),
            None if self.call_cost is None else self.call_cost.snapshot(learned.call_cost),
            band_to_row(learned.band),
            band_to_row(learned.next_band),
        ]

    def restore(self, row: Sequence[Any]) -> Learned | None:
        """The state of a snapshot; ``None`` if it is of windows of another length.

        What is switched on or off since (season, drift and so on) begins anew or is dropped.

        Raises:
            ValueError: if it is no snapshot.
        """
        through, window_seconds, spike, calibration, seasonal, drift, *rest = row
        contributors, usual, first_seen, ratios, absence, call_cost, *bands = rest
        if window_seconds != self.window_seconds:
            return None
        learned = Learned(
            through=through,
            spike=self.spike.restore(spike),
            calibration=self.calibration.restore(calibration),
            seasonal=[],
            drift=[],
            contributors=self.attribution.restore(contributors),
            usual=self.usual.restore(usual),
            first_seen=self.first_seen.restore(first_seen),
            ratios=[],
            absence=[],
            call_cost=[],
            band=band_from_row(bands[0]),
            next_band=band_from_row(bands[1]),
        )
        if self.seasonal is not None:
            learned.seasonal = (
                self.seasonal.fresh() if seasonal is None else self.seasonal.restore(seasonal)
            )
        if self.drift is not None:
            learned.drift = self.drift.fresh() if drift is None else self.drift.restore(drift)
        if self.ratios is not None:
            learned.ratios = self.ratios.fresh() if ratios is None else self.ratios.restore(ratios)
        if self.absence is not None:
            learned.absence = (
                self.absence.fresh() if absence is None else self.absence.restore(absence)
            )
        if self.call_cost is not None:
            learned.call_cost = (
                self.call_cost.fresh() if call_cost is None else self.call_cost.restore(call_cost)
            )
        return learned
