"""Scopes whose calls are those of two production LLM services (Azure's trace of an hour of 2023).

The hour gives what no simulation has: sizes of input and output as they come together and one after
the other, and how uneven the minutes of an hour are. Days and weeks are simulated around it. The
data stays outside of the project.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from detectors.observation import COST, INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS
from tests.evaluation.background import Habit
from tests.evaluation.leak import LeakCase
from tests.evaluation.minutes import CallShape, Floats, Ints, Minutes, whole

SERVICES = ("code", "conv")
CALL_USD = (0.005, 0.05, 0.50)
WANTED_USD = ((0.5, 1.0), (2.0, 4.0), (30.0, 50.0))
HOUR_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Trace:
    """The calls of one service, in the order they came.

    Attributes:
        name: of the service.
        read: input tokens of each.
        written: output tokens.
        weight: 60 minutes' shares of the calls; their mean is one.
    """

    name: str
    read: Floats
    written: Floats
    weight: Floats


def trace(folder: Path, name: str) -> Trace:
    """The trace of a service.

    Raises:
        FileNotFoundError: if the data is not there.
    """
    at, read, written = [], [], []
    with (folder / "azure" / f"AzureLLMInferenceTrace_{name}.csv").open() as lines:
        for row in csv.DictReader(lines):
            at.append(datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp())
            read.append(float(row["ContextTokens"]))
            written.append(float(row["GeneratedTokens"]))
    minute = ((np.array(at) - at[0]) // 60).astype(np.int64)
    counts = np.bincount(np.minimum(minute, HOUR_MINUTES - 1), minlength=HOUR_MINUTES)
    return Trace(name, np.array(read), np.array(written), counts / counts.mean())


@dataclass(frozen=True, slots=True)
class TracedCalls(CallShape):
    """Calls of a trace, at the prices that make its mean call cost ``usd``.

    Attributes:
        trace: whose. Minutes take them in its order, from a random one on.
    """

    trace: Trace | None = None

    @classmethod
    def at_price(cls, of: Trace, usd: float) -> "TracedCalls":
        """Whose mean call costs so much."""
        return cls(usd, float(of.read.mean()), float(of.written.mean()), trace=of)

    def minutes(self, draw: np.random.Generator, first: int, requests: Ints) -> Minutes:
        """So many calls per minute."""
        assert self.trace is not None
        ends = np.cumsum(requests) + int(draw.integers(len(self.trace.read)))
        read, written = (
            _sums(column, ends - requests, ends) for column in (self.trace.read, self.trace.written)
        )
        amounts = {
            REQUESTS: whole(requests),
            COST: self.cost(read, np.zeros(len(read)), written),
            INPUT_TOKENS: whole(read),
            OUTPUT_TOKENS: whole(written),
        }
        return Minutes(first, amounts)


def _sums(column: Floats, starts: Ints, ends: Ints) -> Floats:
    """Of stretches of a column that begins anew behind its end."""
    before = np.concatenate(([0.0], np.cumsum(column)))
    size, total = len(column), before[-1]

    def until(places: Ints) -> Floats:
        sums: Floats = places // size * total + before[places % size]
        return sums

    return until(ends) - until(starts)


@dataclass(frozen=True, slots=True)
class TracedHabit(Habit):
    """A habit whose hours are as uneven as the trace's, each from another minute on."""

    def pace(self, draw: np.random.Generator, first: int, count: int) -> Floats:
        """Expected calls a minute, noise included."""
        usual = Habit.pace(self, draw, first, count)
        assert isinstance(self.call, TracedCalls)
        assert self.call.trace is not None
        at = np.arange(first, first + count)
        turned = draw.integers(HOUR_MINUTES, size=count // HOUR_MINUTES + 2)
        weight = self.call.trace.weight
        uneven: Floats = weight[(at + turned[at // 60 - at[0] // 60]) % HOUR_MINUTES]
        return usual * uneven


def cases(folder: Path) -> Iterator[LeakCase]:
    """Runaways of simulated calls, as dear as the usual ones are, on each service's.

    Raises:
        FileNotFoundError: if the data is not there.
    """
    for service in SERVICES:
        of = trace(folder, service)
        for usd, wanted in zip(CALL_USD, WANTED_USD, strict=True):
            calls = TracedCalls.at_price(of, usd)
            habit = TracedHabit(f"{service}, ${usd:g} calls", calls)
            runaway = CallShape(usd, calls.input_tokens, calls.output_tokens)
            yield LeakCase(habit.name, habit, runaway, wanted)
