"""DECIDE in virtual time: signals as WATCH tells them, operators, gateways, and a clock to turn."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from alerting import fingerprint as ids
from alerting.alert import Alert, Driver, ResolvedReason, Severity, Transition, alert_to_json
from alerting.command import Ack, decode_command
from alerting.decide.decider import Decider
from alerting.decide.incident import IncidentConfig
from alerting.decide.ledger import Outcome
from alerting.throttle.action import ThrottleAction, action_to_json
from alerting.throttle.policy import ThrottleConfig
from detectors.scope import Scope
from detectors.window import Window, rfc3339

START = 1_795_341_600
"""2026-11-22 10:00 UTC."""

USD = 1_000_000_000
AGENT = Scope("agent", "invoice-bot")
KEY = Scope("api_key", "key-7")
TEAM = Scope("team", "billing")


def drivers(**dimensions: list[tuple[str, float, float]]) -> tuple[Driver, ...]:
    """Per dimension: name, dollars of excess, dollars observed."""
    return tuple(
        Driver(str(Scope(dimension, name)), round(excess * USD), round(observed * USD))
        for dimension, parts in dimensions.items()
        for name, excess, observed in parts
    )


def signal(
    scope: Scope = AGENT,
    transition: Transition = Transition.FIRED,
    *,
    minutes: int = 0,
    started: int = START,
    observed: float = 20.0,
    expected: float = 1.0,
    upper: float = 2.0,
    excess: float | None = None,
    rule: str = "spike",
    **changes: Any,
) -> Alert:
    """A transition about the window that starts ``minutes`` after the episode did; in dollars."""
    mark = ids.fingerprint(rule, scope)
    start = started + minutes * 60
    above = (observed - expected) if excess is None else excess
    is_over = transition is Transition.RESOLVED
    alert = Alert(
        fingerprint=mark,
        alert_id=ids.alert_id(mark, started),
        transition_id=ids.transition_id(mark, start, transition),
        transition=transition,
        rule=rule,
        kind="spike",
        severity=Severity.CRITICAL,
        scope=scope,
        metric="cost_usd",
        window=Window(start, start + 300),
        observed=round(observed * USD),
        expected=round(expected * USD),
        lower=0,
        upper=round(upper * USD),
        score=0.97,
        started_at=started,
        decided_at=start + 60,
        fired_at=started + 60,
        resolved_at=start + 60 if is_over else None,
        resolved_reason=ResolvedReason.RECOVERED if is_over else None,
        excess_nanousd=round(above * USD),
        excess_nanousd_per_hour=round(above * USD) * 60,
        projected_nanousd_per_day=round(observed * USD) * 1440,
    )
    return replace(alert, **changes)


def agent_signal(
    name: str = "invoice-bot", key: str = "key-7", excess: float = 19.0, **more: Any
) -> Alert:
    """An agent that spends all its excess through one key."""
    return signal(
        Scope("agent", name),
        excess=excess,
        drivers=drivers(api_key=[(key, excess, excess + 1), ("__other__", 0, 0)]),
        **more,
    )


def key_signal(
    key: str = "key-7", agent: str = "invoice-bot", innocent: float = 0.0, **more: Any
) -> Alert:
    """A key on which one agent runs away ($20 observed) and others spend ``innocent`` dollars."""
    more.setdefault("observed", 20.0 + innocent)
    more.setdefault("expected", 1.0 + innocent)
    more.setdefault("upper", 2.0 + innocent)
    return signal(
        Scope("api_key", key),
        drivers=drivers(agent=[(agent, 19.0, 20.0), ("__other__", 0.0, innocent)]),
        **more,
    )


def contributor_signal(
    key: str = "key-7", agent: str = "invoice-bot", innocent: float = 5.0, **more: Any
) -> Alert:
    """One agent on a key stands out; who is not unusual is not among the drivers."""
    more.setdefault("annotations", {"scope_observed_usd": str(20 + innocent)})
    return signal(
        Scope("api_key", key),
        rule="contributor",
        kind="contributor",
        severity=Severity.INFO,
        drivers=drivers(agent=[(agent, 19.0, 20.0), ("__other__", 0.0, 0.0)]),
        **more,
    )


class Office:
    """A decider with a clock; everything it ever published, and its table of state.

    Every input is given twice: the repeat must change nothing.

    Attributes:
        wall: now, epoch seconds.
        table: the state as the caller keeps it, through msgpack as on Kafka.
    """

    def __init__(self, *, incidents: dict[str, Any] | None = None, **throttle: Any) -> None:
        self.incidents = IncidentConfig(**(incidents or {}))
        self.throttle = ThrottleConfig(**throttle)
        self.decider = Decider(self.incidents, self.throttle)
        self.wall = START + 60.0
        self.table: dict[str, bytes] = {}
        self.alerts: list[Alert] = []
        self.actions: list[ThrottleAction] = []
        self.shadow: list[ThrottleAction] = []
        self.control: list[dict[str, Any]] = []
        self.rejections: list[str] = []
        self._commands = 0

    def tell(self, *alerts: Alert) -> "Office":
        """Signals arrive now."""
        for alert in alerts:
            read = alert.read_at(self.wall)
            self._keep(self.decider.on_signal(read, self.wall))
            assert is_empty(self.decider.on_signal(read, self.wall + 0.5))
        return self

    def order(self, command: str, **fields: Any) -> "Office":
        """An operator says something now."""
        self._commands += 1
        record = {
            "command": command,
            "id": f"command-{self._commands}",
            "issued_by": "on-call",
            "issued_at": rfc3339(self.wall),
            **fields,
        }
        read = decode_command(msgspec.json.encode(record))
        self._keep(self.decider.on_command(read, self.wall))
        assert is_empty(self.decider.on_command(read, self.wall + 0.5))
        return self

    def ack(self, result: str = "applied", *, of: int = -1, after: float = 0.0) -> "Office":
        """A gateway answers an action, ``after`` seconds later."""
        self.wall += after
        ack = Ack(self.actions[of].action_id, "gateway-1", self.wall, result, "its word")
        self._keep(self.decider.on_ack(ack, self.wall))
        again = self.decider.on_ack(ack, self.wall)
        assert replace(again, rejections=()) == Outcome()
        return self

    def wait(self, seconds: float, *, lag: float = 30.0, step: float = 1.0) -> "Office":
        """Time passes with a tick each ``step`` seconds; the watermark is ``lag`` behind."""
        end = self.wall + seconds
        while self.wall < end:
            self.wall = min(end, self.wall + step)
            self._keep(self.decider.on_tick(self.wall, int(self.wall - lag)))
            assert is_empty(self.decider.on_tick(self.wall, int(self.wall - lag)))
        return self

    def restart(self) -> "Office":
        """The process dies; another one reads the table."""
        state = {key: msgspec.msgpack.decode(value) for key, value in self.table.items()}
        before = self.decider.snapshot()
        self.decider = Decider(self.incidents, self.throttle, state)
        assert plain(self.decider.snapshot()) == plain(before)
        return self

    @property
    def modes(self) -> list[str]:
        """The modes of all real actions, in order."""
        return [action.mode.value for action in self.actions]

    @property
    def transitions(self) -> list[tuple[str, str]]:
        """Scope and transition of all alerts told, in order."""
        return [(alert.scope.kind, alert.transition.value) for alert in self.alerts]

    def _keep(self, outcome: Outcome) -> None:
        self.alerts += outcome.alerts
        self.actions += outcome.actions
        self.shadow += outcome.shadow
        self.control += outcome.control
        self.rejections += outcome.rejections
        for key, value in outcome.changed.items():
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = msgspec.msgpack.encode(value)


def is_empty(outcome: Outcome) -> bool:
    """Whether an input led to nothing at all."""
    return outcome == Outcome()


def plain(value: Any) -> Any:
    """A value as msgpack gives it back."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value))


def wire(outcome: Outcome) -> dict[str, Any]:
    """An outcome as it goes out, for comparing two."""
    return {
        "alerts": [alert_to_json(alert) for alert in outcome.alerts],
        "actions": [action_to_json(action) for action in outcome.actions],
        "shadow": [action_to_json(action) for action in outcome.shadow],
        "control": list(outcome.control),
        "changed": plain(dict(outcome.changed)),
        "rejections": list(outcome.rejections),
    }


def instant(seconds: float) -> datetime:
    """An aware instant."""
    return datetime.fromtimestamp(seconds, UTC)
