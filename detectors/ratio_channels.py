"""The ratios that say whether a scope's dollars buy what they used to, and what a change costs.

A ratio is two counters, so that windows add up: what was counted, of all that could have been. This
file must not know what is usual.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from detectors.decomposition import CACHE_READ_WEIGHT, OUTPUT_WEIGHT
from detectors.observation import BESIDE, COUNTER_INDEX

_PLACE_OF = {counter: place for place, counter in enumerate(BESIDE)}

_OUTPUT = _PLACE_OF[COUNTER_INDEX["output_tokens"]]


@dataclass(frozen=True, slots=True)
class Span:
    """What a scope did in the windows that one ratio is judged over.

    Attributes:
        hits: what was counted.
        trials: of so many.
        calls: made.
        cost_nanousd: spent.
        output_tokens: written.
    """

    hits: float
    trials: float
    calls: float
    cost_nanousd: float
    output_tokens: float

    @property
    def ratio(self) -> float:
        """0-1."""
        return min(max(self.hits / self.trials, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class RatioChannel:
    """One ratio.

    Attributes:
        metric: its name in alerts.
        name: likewise, of the rule about it.
        noun: what its trials are.
        hit: place among ``BESIDE`` of the counter that is counted.
        others: of those that all trials are, but for calls.
        of_calls: whether calls are trials, too.
        of_tokens: whether trials are tokens; what is independent of each other is calls.
        rises: whether it is bad if it rises.
        lost_share: of what a span cost, the share that would usually not have been spent in vain;
            of the span and the usual ratio.
    """

    metric: str
    name: str
    noun: str
    hit: int
    others: tuple[int, ...]
    of_calls: bool
    of_tokens: bool
    rises: bool
    lost_share: Callable[[Span, float], float]

    @property
    def is_late(self) -> bool:
        """Whether trials come hours after the calls that they are about, as people's verdicts do.

        All that was spent since the last span is then what they are about.
        """
        return not (self.of_calls or self.of_tokens)

    def trials_of(self, calls: int, beside: Sequence[int]) -> int:
        """Of a window's calls and its counters ``BESIDE``."""
        trials = calls if self.of_calls else 0
        for place in self.others:
            trials += beside[place]
        return trials


def _unaccepted(span: Span, usual: float) -> float:
    """Answers that people usually accept, and now do not."""
    return (usual - span.ratio) / usual if usual > 0.0 else 0.0


def _uncached(span: Span, usual: float) -> float:
    """Input that was read at the full price, and usually is not."""
    tokens = span.trials + OUTPUT_WEIGHT * span.output_tokens
    saved = (1.0 - CACHE_READ_WEIGHT) * span.trials
    paid, usually = tokens - saved * span.ratio, tokens - saved * usual
    return (paid - usually) / paid if paid > 0.0 else 0.0


def _unanswered(span: Span, usual: float) -> float:
    """Calls that a cache in front of the model usually answers."""
    reached = 1.0 - span.ratio
    return (usual - span.ratio) / reached if reached > 0.0 else 0.0


def _failed(span: Span, usual: float) -> float:
    """Calls that usually do not fail."""
    return span.ratio - usual


def _place(name: str) -> int:
    return _PLACE_OF[COUNTER_INDEX[name]]


def _places(*names: str) -> tuple[int, ...]:
    return tuple(map(_place, names))


def _of_calls(
    metric: str,
    name: str,
    noun: str,
    counter: str,
    lost_share: Callable[[Span, float], float],
    *,
    rises: bool,
) -> RatioChannel:
    return RatioChannel(
        metric=metric,
        name=name,
        noun=noun,
        hit=_place(counter),
        others=_places(counter) if counter == "retries" else (),  # no calls of their own
        of_calls=True,
        of_tokens=False,
        rises=rises,
        lost_share=lost_share,
    )


RATIOS = (
    RatioChannel(
        metric="accepted_ratio",
        name="accepted",
        noun="answers",
        hit=_place("accepted"),
        others=_places("accepted", "edited", "rejected", "escalated"),
        of_calls=False,
        of_tokens=False,
        rises=False,
        lost_share=_unaccepted,
    ),
    RatioChannel(
        metric="prompt_cache_read_ratio",
        name="prompt_cache",
        noun="input tokens",
        hit=_place("cache_read_tokens"),
        others=_places("input_tokens"),
        of_calls=False,
        of_tokens=True,
        rises=False,
        lost_share=_uncached,
    ),
    _of_calls(
        "response_cache_hit_ratio",
        "response_cache",
        "calls",
        "response_cache_hits",
        _unanswered,
        rises=False,
    ),
    _of_calls("error_ratio", "errors", "calls", "errors", _failed, rises=True),
    _of_calls("refusal_ratio", "refusals", "calls", "refusals", _failed, rises=True),
    _of_calls("retry_ratio", "retries", "attempts", "retries", _failed, rises=True),
)
"""All of them; states hold them in this order. Names as in OpenTelemetry's and LiteLLM's counters,
with ``_ratio``."""


def output_of(beside: Sequence[int]) -> int:
    """Output tokens of a window's counters ``BESIDE``."""
    return beside[_OUTPUT]
