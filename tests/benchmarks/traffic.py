"""Made-up usage events in bulk: bytes of some 420 each, as a gateway would send them.

Two shapes. ``realistic``: an agent has one team, one or two keys, one to three models and one or
two users, and activity follows Zipf's law. ``independent``: the worst case, in which every
dimension is drawn for itself, so that no two events are alike. Nothing here knows Kafka.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("google", "gemini-2.5-flash"),
)
ORGANIZATION = "example-org"
SHAPES = ("realistic", "independent")

_ZIPF = 1.1
# Exponent of activity over agents; with 30,000 agents the busiest has a seventh of all calls.

_FIRST_CHOICE = 0.75
# Share of an agent's calls on the first of its keys, users and models.

Ints = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """How many names there are of each kind: together about as many scopes as asked for.

    Attributes:
        is_independent: whether every dimension is drawn for itself.
        agents: names of this kind; likewise the others.
    """

    is_independent: bool
    agents: int
    api_keys: int
    users: int
    workflows: int
    projects: int
    teams: int
    departments: int

    @classmethod
    def of(cls, shape: str, scopes: int) -> "Shape":
        """The shape of a name of ``SHAPES`` with about this many scopes."""
        agents = max(3, scopes * 3 // 10)
        return cls(
            is_independent=shape == "independent",
            agents=agents,
            api_keys=agents * 3 // 2,
            users=max(2, scopes // 5),
            workflows=max(1, scopes * 3 // 100),
            projects=max(1, scopes // 100),
            teams=max(1, scopes // 200),
            departments=max(1, scopes // 2000),
        )

    @property
    def scopes(self) -> int:
        """Every name of every kind, the models and the organization."""
        named = self.agents + self.api_keys + self.users + self.workflows
        return named + self.projects + self.teams + self.departments + len(MODELS) + 1


class Traffic:
    """Events of one shape, reproducible from a seed.

    Args:
        shape: one of ``SHAPES``.
        scopes: about how many.
        seed: of everything random.
    """

    def __init__(self, shape: str, scopes: int, seed: int = 7) -> None:
        self.shape = Shape.of(shape, scopes)
        self._draw = np.random.default_rng(seed)
        self._number = 0
        self._run = f"{shape[0]}{scopes}-{seed}"
        weights = 1.0 / np.arange(1, self.shape.agents + 1) ** _ZIPF
        self._cumulative = np.cumsum(weights / weights.sum())
        self._texts: dict[tuple[int, ...], str] = {}

    def everyone(self) -> int:
        """Events that ``primer`` gives."""
        return max(self.shape.api_keys, self.shape.users)

    def primer(self, at: float, seconds: float) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of events in which every scope occurs, spread evenly over this time."""
        shape, count = self.shape, self.everyone()
        index = np.arange(count)
        if shape.is_independent:
            yield from self._events(
                at, seconds, [index % size for size in self._sizes()], index % len(MODELS)
            )
            return
        # Every agent with its first key, then every other one with its second.
        agent = np.where(index < shape.agents, index, (index - shape.agents) * 2) % shape.agents
        second = (index >= shape.agents).astype(np.int64)
        columns = self._of_agents(agent, second, np.zeros_like(second))
        columns[2] = index % shape.users
        yield from self._events(at, seconds, columns, index % len(MODELS))

    def events(self, count: int, at: float, seconds: float) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of so many events, spread evenly over this time.

        Args:
            count: how many.
            at: epoch seconds of the first.
            seconds: until the last.
        """
        draw, shape = self._draw, self.shape
        if shape.is_independent:
            columns = [draw.integers(0, size, count) for size in self._sizes()]
            yield from self._events(at, seconds, columns, draw.integers(0, len(MODELS), count))
            return
        agent = np.minimum(
            np.searchsorted(self._cumulative, draw.random(count)), shape.agents - 1
        ).astype(np.int64)
        key, user, model = ((draw.random(count) > _FIRST_CHOICE).astype(np.int64) for _ in range(3))
        model += draw.random(count) > 1 - (1 - _FIRST_CHOICE) / 2
        yield from self._events(
            at, seconds, self._of_agents(agent, key, user), (agent + model) % len(MODELS)
        )

    def _sizes(self) -> list[int]:
        shape = self.shape
        return [
            shape.agents,
            shape.api_keys,
            shape.users,
            shape.workflows,
            shape.projects,
            shape.teams,
            shape.departments,
        ]

    def _of_agents(self, agent: Ints, key: Ints, user: Ints) -> list[Ints]:
        """What follows from the agent: only every other agent has a second key."""
        shape = self.shape
        has_second = (agent % 2 == 0) & (key > 0)
        team = agent % shape.teams
        return [
            agent,
            np.where(has_second, shape.agents + agent // 2, agent) % shape.api_keys,
            (agent + user) % shape.users,
            agent % shape.workflows,
            agent % shape.projects,
            team,
            team % shape.departments,
        ]

    def _events(
        self, at: float, seconds: float, columns: list[Ints], model: Ints
    ) -> Iterator[tuple[bytes, bytes]]:
        count = len(model)
        draw = self._draw
        read = draw.integers(40, 260, count)
        written = draw.integers(5, 60, count)
        # So cheap that nobody spends $4 in a window even at 100,000 events a second: what fires is
        # what the bench makes fire.
        nanousd = read * 150 + written * 600
        milliseconds = np.round((at + np.arange(count) * (seconds / max(count, 1))) * 1000)
        texts = self._texts
        minute, minute_text = -1, ""
        for who, which, tokens, output, cost, when in zip(
            zip(*(column.tolist() for column in columns), strict=True),
            model.tolist(),
            read.tolist(),
            written.tolist(),
            nanousd.tolist(),
            milliseconds.astype(np.int64).tolist(),
            strict=True,
        ):
            if when // 60_000 != minute:
                minute = when // 60_000
                minute_text = datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:")
            text = texts.get((*who, which)) or self._text((*who, which))
            self._number += 1
            number = f"{self._run}-{self._number:010d}"
            yield (
                number.encode(),
                f'{{"event_id":"{number}","timestamp":"{minute_text}{when % 60_000 // 1000:02d}.'
                f'{when % 1000:03d}Z",{text},"run_id":"run-{self._number >> 3}","step":"'
                f'{self._number & 7}","input_tokens":{tokens},"output_tokens":{output},"cost_usd":'
                f'"0.{cost:09d}","latency_ms":{300 + 12 * output}}}'.encode(),
            )

    def _text(self, who: tuple[int, ...]) -> str:
        """What all events of these names say alike."""
        agent, key, user, workflow, project, team, department, model = who
        provider, name = MODELS[model]
        said = {
            "provider": provider,
            "model": name,
            "agent": f"agent-{agent:05d}",
            "workflow": f"workflow-{workflow:04d}",
            "prompt_version": f"v{agent % 9}",
            "api_key": f"key-{key:05d}",
            "user": f"user-{user:05d}",
            "team": f"team-{team:03d}",
            "department": f"department-{department:02d}",
            "project": f"project-{project:03d}",
            "organization": ORGANIZATION,
        }
        text = json.dumps(said, separators=(",", ":"))[1:-1]
        if len(self._texts) < 500_000:  # some 200 MB; where nothing repeats, keeping gains nothing
            self._texts[who] = text
        return text


def expensive(number: str, at: float, *, agent: str, api_key: str, usd: str) -> bytes:
    """One event that costs enough to fire by itself: a new agent on a new key."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    said = {
        "event_id": number,
        "timestamp": when.replace("+00:00", "Z"),
        "provider": "openai",
        "model": "gpt-4o",
        "agent": agent,
        "api_key": api_key,
        "organization": ORGANIZATION,
        "input_tokens": 400_000,
        "output_tokens": 100_000,
        "cost_usd": usd,
    }
    return json.dumps(said).encode()
