"""The detector contract, in prose: a new detector is written from it without reading an old one.

A detector is a frozen object made from its configuration. It holds no state of any scope: states
are plain lists that the caller keeps, one per scope and rule, so that a page of thousands is just
data. This file must not know any particular detector (``registry.py`` lists them), and no detector
may read a clock, a file or a random number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from detectors.observation import Observation
from detectors.signal import Band
from detectors.window import Window

State = list[Any]
"""What one detector knows of one scope. Opaque to callers; changed in place by the detector."""


class Reason(StrEnum):
    """Why a verdict is what it is: the answer to "why was I (not) told?"."""

    INSIDE_BAND = "inside_band"
    ABOVE_BAND = "above_band"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector says about one window of one scope.

    Attributes:
        reason: why.
        score: 0-1, a fixed monotone map of the tail probability; above 0.5 is anomalous.
        observed_nanousd: what was judged.
        excess_nanousd: observed less expected; negative below the expectation.
    """

    reason: Reason
    score: float
    observed_nanousd: int
    excess_nanousd: int

    @property
    def is_anomalous(self) -> bool:
        """Whether the window is evidence for an alert."""
        return self.reason is Reason.ABOVE_BAND


class Detector(Protocol):
    """Judges the windows of one scope, one after the other, against what it learned before.

    The caller owns time and order. For every scope it calls, on one thread and never concurrently
    for one state:

    1. ``fresh()`` once, when the scope is first seen. A scope is as old as its state.
    2. ``band(state, window)`` before anything of ``window`` is learned, as many windows ahead as
       the caller likes; the caller keeps the band with the window. ``None`` means **warming up**:
       the caller says so and judges by ``cold_band`` if there is one. A detector never answers a
       question it cannot answer with a band around zero.
    3. ``judge(band, observation)`` while the window is open, any number of times, and once when it
       is closed. It reads nothing but its arguments: no state, so it cannot learn. While a window
       is open its cost only grows, and the verdict only grows with it: an open window that is
       anomalous stays so.
    4. ``learn(state, observation)`` once per closed window, strictly in the order of windows,
       **after** it was judged, or ``skip(state, first, count)`` for ``count`` windows in a row in
       which nothing was spent. ``skip`` leaves exactly the state that learning the zeros one by
       one leaves, so it does not matter how a quiet time was cut.
       Windows that must not be learned (anomalous ones, and all while an alert is firing) are left
       out; a window left out is no zero, it did not happen. A detector that itself believes nothing
       that was seen once, such as the seasonal one, is given anomalous windows too. Windows under
       an enforced throttle action are never learned by anybody.
    5. ``snapshot(state)`` at any time: a list of None, bool, int, float, str, bytes and lists of
       these, which msgpack carries; ``restore(snapshot)`` gives a state that goes on exactly as
       the old one would have. Restoring does not share memory with the snapshot.

    Nothing here blocks, and nothing raises except ``ValueError`` where ``learn`` or ``skip`` is
    given a window before one already learned, or ``restore`` a snapshot it did not write.

    Attributes:
        kind: the detector's name in the registry.
    """

    kind: ClassVar[str]

    def fresh(self) -> State:
        """The state of a scope of which nothing is known."""
        ...

    def band(self, state: State, window: Window) -> Band | None:
        """What is expected of ``window``; ``None`` while warming up. Changes nothing."""
        ...

    def cold_band(self, window: Window) -> Band | None:
        """What a scope may spend in ``window`` while ``band`` is ``None``; ``None`` if anything."""
        ...

    def judge(self, band: Band, observation: Observation) -> Verdict:
        """How unusual an observation is against a band computed earlier."""
        ...

    def learn(self, state: State, observation: Observation) -> None:
        """Take one closed window into account, in place."""
        ...

    def skip(self, state: State, first: Window, count: int) -> None:
        """Take ``count`` windows without spend into account, beginning with ``first``."""
        ...

    def snapshot(self, state: State) -> State:
        """The state as plain data for msgpack."""
        ...

    def restore(self, snapshot: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not a snapshot of this detector.
        """
        ...


def judge_above(band: Band, observation: Observation) -> Verdict:
    """The verdict of every detector that asks only "is it more than expected?".

    The tail is taken as exponential beyond the expectation: the probability of an excess of ``u``
    times the width of the band is ``p0 ** u``, where ``p0`` is the threshold's. The score maps it
    to ``u / (1 + u)``: 0 at or below the expectation, 0.5 at the threshold, 1 only at infinity.

    >>> from detectors.observation import COST, zero_counts
    >>> counts = zero_counts()
    >>> counts[COST] = 7_000
    >>> seen = Observation(Window(0, 300), counts)
    >>> judge_above(Band(1_000, 0, 3_000, 500, "ewma"), seen)
    Verdict(reason=<Reason.ABOVE_BAND: 'above_band'>, score=0.75, observed_nanousd=7000, excess_nanousd=6000)
    """  # noqa: E501 - a doctest's answer is one line
    observed = observation.cost_nanousd
    excess = observed - band.expected_nanousd
    reason = Reason.ABOVE_BAND if observed > band.upper_nanousd else Reason.INSIDE_BAND
    return Verdict(reason, score_above(band, observed), observed, excess)


def score_above(band: Band, observed_nanousd: int) -> float:
    """``u / (1 + u)`` with ``u`` the excess in widths of the band; see ``judge_above``."""
    excess = observed_nanousd - band.expected_nanousd
    return score_of(excess, band.upper_nanousd - band.expected_nanousd)


def score_of(excess_nanousd: int, width_nanousd: int) -> float:
    """The same of an excess and the width that it is measured by."""
    if excess_nanousd <= 0:
        return 0.0
    return excess_nanousd / (excess_nanousd + max(width_nanousd, 1))
