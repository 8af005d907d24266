"""A made-up organization whose agents spend like real ones: rhythm, sizes, keys, teams, prices.

Everything follows from a seed. This file must not know incidents or make events.
"""

import random
from dataclasses import dataclass, replace

HOURS_A_DAY = 24
DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What one token costs, in nano-dollars.

    Attributes:
        provider: as the provider spells itself.
        model: as the provider spells it.
        input_nanousd: per token read, cached ones excepted.
        cache_read_nanousd: per token read from the provider's prompt cache.
        output_nanousd: per token written.

    Sources:
        genai-prices 0.2.3, prices of November 2026.
    """

    provider: str
    model: str
    input_nanousd: int
    cache_read_nanousd: int
    output_nanousd: int


PRICES = (
    ModelPrice("openai", "gpt-4o", 2_500, 1_250, 10_000),
    ModelPrice("openai", "gpt-4o-mini", 150, 75, 600),
    ModelPrice("openai", "gpt-4.1", 2_000, 500, 8_000),
    ModelPrice("anthropic", "claude-sonnet-4-5", 3_000, 300, 15_000),
    ModelPrice("anthropic", "claude-haiku-4-5", 1_000, 100, 5_000),
    ModelPrice("google", "gemini-2.5-flash", 300, 30, 2_500),
)
"""What agents use; the first is the first agent's."""

PREMIUM = ModelPrice("anthropic", "claude-opus-4-1", 15_000, 1_500, 75_000)
"""What an agent that nobody meant to be expensive is switched to."""

_INPUT_COST_SHARE = 0.7
_QUIET_PART = 50
# Of 422 real clients 182 are active in less than 10 % of the time, and ten carry 63-93 % of the
# requests (ServeGen).

_WORDS = (
    "invoice",
    "support",
    "search",
    "summary",
    "triage",
    "contract",
    "code-review",
    "translation",
    "onboarding",
    "forecast",
    "catalog",
    "moderation",
    "research",
    "ticket",
    "meeting",
    "lead",
    "claims",
    "audit",
    "release-note",
    "data-entry",
)
_TEAMS = ("payments", "support", "platform", "growth", "legal", "research")
_DEPARTMENTS = {
    "payments": "finance",
    "legal": "finance",
    "support": "operations",
    "growth": "operations",
    "platform": "engineering",
    "research": "engineering",
}

_OFFICE = (0.1,) * 7 + (0.5, 1.5, 2.5, 2.8, 2.6, 2.0, 2.4, 2.6, 2.4, 1.8, 1.0, 0.5) + (0.2,) * 5
_CONSUMER = (
    (0.5, 0.3, 0.2, 0.2, 0.2, 0.3, 0.6, 0.9) + (1.1,) * 8 + (1.3, 1.6, 1.9, 2.1, 2.0, 1.7, 1.2, 0.8)
)
_NIGHTLY = (0.6, 4.0, 6.0, 5.0, 2.0, 0.8) + (0.25,) * 17 + (0.4,)
_ALL_DAY = (1.0,) * HOURS_A_DAY
_RHYTHMS = (
    (_OFFICE, (1.0,) * 5 + (0.12, 0.1)),
    (_CONSUMER, (1.0, 1.0, 1.0, 1.0, 1.1, 1.3, 1.2)),
    (_ALL_DAY, (1.0,) * DAYS_A_WEEK),
    (_NIGHTLY, (1.0,) * DAYS_A_WEEK),
)


@dataclass(frozen=True, slots=True)
class Agent:
    """One automation and its habits.

    Attributes:
        name: the agent's.
        workflow: what it works in.
        team: who owns it.
        department: whose team that is.
        project: where it is booked.
        api_keys: ids of the keys it calls with; a team's agents may share one.
        price: its model and what that costs.
        prompt_version: the version in use.
        usual_usd_per_day: what it spends on an average day.
        call_usd: what a call costs on average.
        cached_share: 0-1, of its input that comes from the provider's prompt cache.
        users: how many people it serves; 0 for automations without any.
        hours_of_week: 168 weights from Monday 00:00 UTC on, of mean one.
    """

    name: str
    workflow: str
    team: str
    department: str
    project: str
    api_keys: tuple[str, ...]
    price: ModelPrice
    prompt_version: str
    usual_usd_per_day: float
    call_usd: float
    cached_share: float
    users: int
    hours_of_week: tuple[float, ...]

    @property
    def calls_per_day(self) -> float:
        """On an average day."""
        return self.usual_usd_per_day / self.call_usd

    @property
    def input_tokens(self) -> float:
        """Of an average call; 70 % of its cost."""
        fresh, cached = self.price.input_nanousd, self.price.cache_read_nanousd
        per_token = fresh * (1 - self.cached_share) + cached * self.cached_share
        return _INPUT_COST_SHARE * self.call_usd * 1e9 / per_token

    @property
    def output_tokens(self) -> float:
        """Of an average call; 30 % of its cost."""
        return (1 - _INPUT_COST_SHARE) * self.call_usd * 1e9 / self.price.output_nanousd


def _hours_of_week(index: int) -> tuple[float, ...]:
    hours, days = _RHYTHMS[index % len(_RHYTHMS)]
    weights = [day * hour for day in days for hour in hours]
    mean = sum(weights) / len(weights)
    return tuple(weight / mean for weight in weights)


def make_organization(
    seed: int, agents: int, *, pace: float = 1.0, quiet_share: float = 0.0
) -> tuple[Agent, ...]:
    """The agents of a seed. The first is always ``invoice-bot``, $100 a day at $0.05 a call.

    An agent is the same however many others there are. All make ``pace`` times as many calls, a
    ``quiet_share`` of them (0-1, never the first) a fiftieth of that.

    Raises:
        ValueError: if there are no agents.
    """
    if agents < 1:
        raise ValueError(f"{agents} agents: an organization needs at least one")
    usual = (_make_agent(seed, index) for index in range(agents))
    return tuple(
        replace(
            each,
            usual_usd_per_day=each.usual_usd_per_day
            * (pace / _QUIET_PART if _is_quiet(seed, index, quiet_share) else pace),
        )
        for index, each in enumerate(usual)
    )


def _is_quiet(seed: int, index: int, share: float) -> bool:
    draw = random.Random(f"quiet/{seed}/{index}")  # noqa: S311  a simulation must repeat itself
    return index > 0 and draw.random() < share


def _make_agent(seed: int, index: int) -> Agent:
    draw = random.Random(f"{seed}/{index}")  # noqa: S311  a simulation must repeat itself
    team = _TEAMS[index % len(_TEAMS)]
    generation = index // len(_WORDS)
    word = _WORDS[index % len(_WORDS)]
    price = draw.choice(PRICES)
    calls_per_day = draw.uniform(200, 800)
    call_usd = 0.05 * (price.output_nanousd / 5_000) * draw.uniform(0.6, 2.0)
    keys = [f"key-{team}-{word}" + (f"-{generation + 1}" if generation else "")]
    if draw.random() < 0.4:  # noqa: PLR2004  so many have a second key
        keys.append(f"key-{team}-shared")
    if index == 0:
        price, calls_per_day, call_usd, keys = PRICES[0], 2_000.0, 0.05, keys[:1]
    return Agent(
        name=f"{word}-bot" + (f"-{generation + 1}" if generation else ""),
        workflow=f"{word}-processing",
        team=team,
        department=_DEPARTMENTS[team],
        project=f"{team}-ai",
        api_keys=tuple(keys),
        price=price,
        prompt_version=f"v{draw.randint(3, 40)}",
        usual_usd_per_day=calls_per_day * call_usd,
        call_usd=call_usd,
        cached_share=draw.choice((0.0, 0.0, 0.3, 0.6)),
        users=draw.choice((0, 0, 12, 40)),
        hours_of_week=_hours_of_week(index),
    )
