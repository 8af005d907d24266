"""What a closed window teaches, and the bands that follow from it; once live, once from the log.

A closed window becomes a row of the log; applying the row is the only way to learn. So replaying
the rows that a durable profile has not absorbed gives the very state there was. Whether a window
may be learned is decided by ``scope_watch.py`` and written in the row.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from alerting.watch.judgement import observation_of
from alerting.watch.scope_state import (
    Learned,
    Row,
    band_from_row,
    band_to_row,
)
from detectors.attribution import QUIET, WINDOWS, Attribution, AttributionConfig
from detectors.baseline import combine_bands
from detectors.seasonal import SeasonalConfig, SeasonalDetector
from detectors.signal import Band
from detectors.spike import SpikeConfig, SpikeDetector
from detectors.window import Window


class Lesson(IntEnum):
    """What a row of the log says; its first element."""

    LEARN = 0
    """``[0, cost, calls, parts]``: learn it."""
    ANOMALOUS = 1
    """``[1, cost, calls, {}]``: only for baselines that believe nothing seen once."""
    LEAVE_OUT = 2
    """Likewise, but for nobody: under an enforced action, or late in a long episode."""
    ABSORB = 3
    """``[3, cost, calls, parts, recent]``: learn it, and take the recent windows for the level."""
    LEARN_WITHOUT_PARTS = 4
    """As ``LEARN``, but one contributor is unusual: the contributors are left out."""
    QUIET = 5
    """``[5, count]``: so many windows without spend, to be learned."""


TEACHES_PARTS = frozenset({Lesson.LEARN, Lesson.ABSORB})
"""The rows that name contributors."""


class Learner:
    """Learns the windows of one scope after the other; the state is the caller's."""

    def __init__(
        self,
        spike: SpikeConfig,
        seasonal: SeasonalConfig | None,
        attribution: AttributionConfig,
        window_seconds: int,
    ) -> None:
        """From configuration; keeps no state.

        Args:
            spike: of the EWMA.
            seasonal: of the seasonal baseline; ``None``: there is none.
            attribution: of the contributors' own means.
            window_seconds: length of the judged windows.
        """
        self.window_seconds = window_seconds
        self.spike = SpikeDetector(spike, window_seconds)
        self.seasonal = None if seasonal is None else SeasonalDetector(seasonal, window_seconds)
        self.attribution = Attribution(attribution, window_seconds)

    def fresh(self, start: int) -> Learned:
        """Nothing learned of a scope whose first window begins at ``start`` (epoch seconds)."""
        learned = Learned(
            through=start,
            spike=self.spike.fresh(),
            seasonal=[] if self.seasonal is None else self.seasonal.fresh(),
            contributors=self.attribution.fresh(),
        )
        learned.band = self._expect(learned, start)
        learned.next_band = self._expect(learned, start + self.window_seconds)
        return learned

    def windows_learned(self, learned: Learned) -> int:
        """Windows from which the contributors are known."""
        windows: int = learned.contributors[WINDOWS] + learned.contributors[QUIET]
        return windows

    def apply(self, learned: Learned, row: Sequence[Any]) -> None:
        """Learn one row of the log, and fix the bands that follow.

        The band of a window is fixed when the window but one before it is learned.
        """
        if row[0] == Lesson.QUIET:
            self._skip(learned, row[1])
            return
        self._learn(learned, row)
        learned.through += self.window_seconds
        if row[0] == Lesson.ABSORB:  # the new level holds from the very next window on
            learned.next_band = self._expect(learned, learned.through)
        self._move_bands(learned)

    def _learn(self, learned: Learned, row: Sequence[Any]) -> None:
        lesson, cost, requests, parts = row[:4]
        if lesson == Lesson.LEAVE_OUT:
            return
        seen = observation_of(self._window(learned.through), cost, requests)
        if self.seasonal is not None:
            self.seasonal.learn(learned.seasonal, seen)
        if lesson == Lesson.ANOMALOUS:
            return
        if lesson == Lesson.ABSORB:
            recent = row[4]
            windows = zip(recent[::2], recent[1::2], strict=True)
            self.spike.reset_level(
                learned.spike, [observation_of(seen.window, *each) for each in windows]
            )
        else:
            self.spike.learn(learned.spike, seen)
        if lesson in TEACHES_PARTS:
            self.attribution.learn(learned.contributors, parts)

    def _skip(self, learned: Learned, count: int) -> None:
        if count > 1:
            self._skip_zeros(learned, count - 1)
            learned.next_band = self._expect(learned, learned.through + self.window_seconds)
        self._skip_zeros(learned, 1)
        self._move_bands(learned)

    def _skip_zeros(self, learned: Learned, count: int) -> None:
        first = self._window(learned.through)
        self.spike.skip(learned.spike, first, count)
        if self.seasonal is not None:
            self.seasonal.skip(learned.seasonal, first, count)
        self.attribution.skip(learned.contributors, count)
        learned.through += count * self.window_seconds

    def _move_bands(self, learned: Learned) -> None:
        learned.band = learned.next_band
        learned.next_band = self._expect(learned, learned.through + self.window_seconds)

    def _expect(self, learned: Learned, start: int) -> Band | None:
        window = self._window(start)
        usual = self.spike.band(learned.spike, window)
        if self.seasonal is not None:
            usual = combine_bands(usual, self.seasonal.band(learned.seasonal, window))
        return self.spike.cold_band(window) if usual is None else usual

    def _window(self, start: int) -> Window:
        return Window(start, start + self.window_seconds)

    def snapshot(self, learned: Learned) -> Row:
        """As plain data; first how far it has learned, then what tells another configuration."""
        return [
            learned.through,
            self.window_seconds,
            self.spike.snapshot(learned.spike),
            None if self.seasonal is None else self.seasonal.snapshot(learned.seasonal),
            self.attribution.snapshot(learned.contributors),
            band_to_row(learned.band),
            band_to_row(learned.next_band),
        ]

    def restore(self, row: Sequence[Any]) -> Learned | None:
        """The state of a snapshot; ``None`` if it is of windows of another length.

        A seasonal baseline switched on or off since begins anew or is dropped.

        Raises:
            ValueError: if it is no snapshot.
        """
        through, window_seconds, spike, seasonal, contributors, band, next_band = row
        if window_seconds != self.window_seconds:
            return None
        learned = Learned(
            through=through,
            spike=self.spike.restore(spike),
            seasonal=[],
            contributors=self.attribution.restore(contributors),
            band=band_from_row(band),
            next_band=band_from_row(next_band),
        )
        if self.seasonal is not None:
            learned.seasonal = (
                self.seasonal.fresh() if seasonal is None else self.seasonal.restore(seasonal)
            )
        return learned
