"""Was it exact? Everything that came out, held against everything that went in.

Money is summed anew from ``usage.events`` (``reading.py`` and ``tests/support/auditor.py``, which
share nothing with spendwatch but the schema). What was told is held against a replay of the same
log, and against itself: an id stands for one thing, sequences rise without gaps, what was to be
delivered was. Each check returns the differences it found, as sentences.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from alerting.alert import alert_from_json, alert_to_json
from alerting.decide.decider import Decider
from alerting.decide.ledger import Outcome
from alerting.watch.scope_watch import ScopeState, ScopeWatch
from detectors.scope import Scope
from detectors.window import rfc3339
from stream.ingest.events import InputRecord
from stream.keyed.role import TICK_SECONDS
from stream.replay.replay import Replay, ReplayResult
from tests.chaos.logs import Json, Witness, values_in
from tests.chaos.reading import Reading, in_step, read
from tests.chaos.receivers import Receivers
from tests.chaos.traffic import PRICES
from tests.support.auditor import Auditor, read_topic
from tests.support.survival import partitions_in_changelogs
from tests.support.worker import Installation

KINDS = (
    "agent", "workflow", "api_key", "team", "user", "model", "project", "department", "customer",
    "organization",
)  # fmt: skip

CANARY_KIND = "canary"
"""Workers' own signals and actions, which show that the path works and say nothing of anybody."""

STEP_RECORDS = 500
LAST_TICKS = 120
"""So long DECIDE goes on after the last word of WATCH: whatever it waits for is shorter."""

HOUR, DAY = 3600, 86_400


class Log:
    """``usage.events``, read once everything is sent.

    Attributes:
        reading: what the auditor sees in it.
        auditor: the sums.
    """

    def __init__(self, records: list[Any]) -> None:
        self.records = records
        self.reading: Reading = read(records)
        self.auditor = Auditor(PRICES, is_costed=True).add(self.reading.events, KINDS)

    @classmethod
    async def of(cls, installation: Installation) -> "Log":
        """As it is now."""
        topic = installation.topics.usage_events
        return cls(await read_topic(installation.bootstrap, topic))

    def replayed(self, installation: Installation) -> Replay:
        """What one process makes of the same records, in one go and without Kafka."""
        replay = Replay(installation.settings, is_durable=True)
        steps = in_step(self.records)
        for at in range(0, len(steps), STEP_RECORDS):
            step = [
                InputRecord(number, each.timestamp, each.value)
                for number, each in enumerate(steps[at : at + STEP_RECORDS], at)
            ]
            for stretch in replay.ingest.take(step):
                replay.take(stretch)
        return replay


# -- money -----------------------------------------------------------------------------------


async def totals(log: Log, here: Installation) -> list[str]:
    """Per scope, on the command line."""
    return [
        difference
        for kind in KINDS
        for difference in log.auditor.differences(kind, await here.spend_on_command(kind))
    ]


async def windows(log: Log, here: Installation) -> list[str]:
    """Per scope and hour, day, and calendar month so far."""
    hours = log.auditor.hours
    spans = [range(hour, hour + 1) for hour in hours]
    spans += [range(day * 24, day * 24 + 24) for day in sorted({hour // 24 for hour in hours})]
    spans.append(range(hours[0] // 24 * 24, hours[-1] // 24 * 24 + 24))
    found = []
    for span in spans:
        words = {"from": rfc3339(span.start * HOUR), "to": rfc3339(span.stop * HOUR)}
        for kind in KINDS:
            rows = await here.spend(kind, **words)
            found += [
                f"{words['from']} for {len(span)} h: {each}"
                for each in log.auditor.differences(kind, rows, span)
            ]
    return found


async def dead_letters(log: Log, here: Installation) -> list[str]:
    """Each refused record or element once, with its place."""
    found = Counter(
        (letter["partition"], letter["offset"], letter["index"])
        for letter in await values_in(here.bootstrap, here.topics.dead_letter)
    )
    wanted = log.reading.refused
    missing = [f"no dead letter of {place}" for place in (wanted - found).elements()]
    return missing + [f"a dead letter too many: {place}" for place in (found - wanted).elements()]


# -- what was told ---------------------------------------------------------------------------


def _identity(alert: Json) -> tuple[Any, ...]:
    """What an id stands for, whatever the figures."""
    names = ("fingerprint", "alert_id", "transition", "window", "started_at", "rule", "severity")
    return tuple(str(alert[name]) for name in names)


def contradictions(alerts: Iterable[Json]) -> list[str]:
    """Ids that stand for two things."""
    first: dict[str, tuple[Any, ...]] = {}
    found = []
    for alert in alerts:
        identity = _identity(alert)
        known = first.setdefault(alert["transition_id"], identity)
        if known != identity:
            found.append(f"transition {alert['transition_id']}: {known} and {identity}")
    return found


def _said(alert: Json) -> str:
    scope = alert["scope"]
    return (
        f"{alert['transition']} {alert['rule']} {scope['kind']}:{scope['name']}"
        f" {alert['window']['start']}"
    )


def held_scopes(alerts: Iterable[Json], actions: Iterable[Json]) -> set[str]:
    """Scopes of alerts that an action held down: there, time is the wall clock's, too."""
    held = {identity for action in actions for identity in action["alert_ids"]}
    return {str(alert["scope"]) for alert in alerts if alert["alert_id"] in held}


def spelled(scope: Scope) -> str:
    """A scope as it is in ``held_scopes``."""
    return str({"kind": scope.kind, "name": scope.name, "environment": scope.environment})


def signals(told: Sequence[Json], replayed: ReplayResult, held: set[str]) -> list[str]:
    """Transitions of single scopes, against the replay's, each way.

    Of a scope that was held down only what fired is compared: how long an action holds, and so
    which windows count, is the wall clock's business.
    """
    wanted = [alert_to_json(each) for each in replayed.signals if each.kind != CANARY_KIND]

    def comparable(alerts: Iterable[Json]) -> dict[str, Json]:
        return {
            alert["transition_id"]: alert
            for alert in alerts
            if alert["kind"] == "budget"
            or alert["transition"] == "fired"
            or str(alert["scope"]) not in held
        }

    ours, theirs = comparable(wanted), comparable(told)
    found = contradictions(told)
    found += [f"never told: {_said(ours[each])}" for each in ours.keys() - theirs.keys()]
    found += [f"only told: {_said(theirs[each])}" for each in theirs.keys() - ours.keys()]
    return found


def forwarded(told: Sequence[Json], alerts: Sequence[Json]) -> list[str]:
    """Every transition of a scope is told with its incident, and each id says one thing."""
    known = {alert["transition_id"] for alert in alerts}
    held_back = {"contributor"}
    found = contradictions(alerts)
    found += [
        f"not in spend.alerts: {_said(alert)}"
        for alert in {each["transition_id"]: each for each in told}.values()
        if alert["transition_id"] not in known
        and alert["kind"] not in held_back
        and alert["transition"] != "resolved"  # of what is held, when it is released
    ]
    return found


def actions(enforced: Sequence[Json], shadow: Sequence[Json]) -> list[str]:
    """Sequences of each target rise without gaps, and the last word stands last."""
    found = []
    by_target: dict[str, list[Json]] = defaultdict(list)
    for topic in (enforced, shadow):
        for target, told in _by_target(topic).items():
            by_target[target] += told
            for before, after in pairwise(told):
                if after["sequence"] < before["sequence"]:
                    found.append(
                        f"{target}: {after['sequence']} was told after {before['sequence']}"
                    )
    for target, told in by_target.items():
        contents: dict[int, Json] = {}
        for action in told:
            known = contents.setdefault(action["sequence"], action)
            if known != action:
                found.append(f"{target}: {action['sequence']} says two things")
        missing = set(range(1, max(contents) + 1)) - set(contents)
        found += [f"{target}: {number} is missing" for number in sorted(missing)]
    return found


def _by_target(topic: Sequence[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for action in topic:
        if action["target"]["kind"] != CANARY_KIND:
            found[str(action["target"])].append(action)
    return found


async def decided(here: Installation) -> set[str]:
    """Who is acted against by a DECIDE that never dies and reads what WATCH told, in its order.

    Alerts of several scopes make one incident or one suspicion by the order in which they come,
    and that is Kafka's: a replay of the events has another one.
    """
    rules = here.settings
    decider = Decider(rules.incidents, rules.throttle)
    found, now = set[str](), 0.0

    def take(outcome: Outcome) -> None:
        found.update(action.target.name for action in outcome.actions)

    def tick() -> None:
        take(decider.on_tick(now, int(now) - rules.ingest.allowed_lateness_seconds))

    for record in await read_topic(here.bootstrap, here.topics.signals):
        alert = alert_from_json(json.loads(record.value))
        if alert.kind == CANARY_KIND:
            continue
        wall = record.timestamp / 1000
        now = now or wall
        while now + TICK_SECONDS <= wall:
            now += TICK_SECONDS
            tick()
        take(decider.on_signal(alert.read_at(wall), wall))
    for _ in range(LAST_TICKS):
        now += TICK_SECONDS
        tick()
    return found


def targets(enforced: Sequence[Json], wanted: set[str]) -> list[str]:
    """Who was acted against, compared with who would have been without a fault."""
    ours = {action["target"]["name"] for action in enforced}
    return [
        f"acted on {'in calm' if t in wanted else 'under fire'} only: {t}"
        for t in sorted(ours ^ wanted)
    ]


async def states(here: Installation, replay: Replay, held: set[str]) -> list[str]:
    """Every counter of each scope, its budgets and its baseline, in changelogs and in the replay.

    The workers have to have ended: their last flush is part of what is compared.
    """
    settings = here.settings
    watch = ScopeWatch(settings.rules)
    workers = await partitions_in_changelogs(here.bootstrap, settings)
    found = {text: s for each in workers for text, s in each.scopes.items()}
    wanted = {text: s for each in replay.partitions for text, s in each.scopes.items()}
    problems = [f"{text}: on one side only" for text in set(found) ^ set(wanted)]
    for text in set(found) & set(wanted):
        if spelled(wanted[text].scope) not in held:
            theirs, ours = _known(watch, found[text]), _known(watch, wanted[text])
            problems += [
                f"{text} {name}: {theirs[name]}, not {ours[name]}"
                for name in ours
                if theirs[name] != ours[name]
            ]
    return problems


def _known(watch: ScopeWatch, state: ScopeState) -> dict[str, Any]:
    """What is the same however events were batched; contributors beyond the largest are not."""
    profile = watch.profile_snapshot(state)
    watch.profile_durable(state, profile[0])
    return {
        "totals": list(state.totals),
        "budgets": [
            (account.rule.name, start, period.spent_nanousd, period.levels_told)
            for account in state.accounts
            for start, period in sorted(account.periods.items())
        ],
        "baseline": profile[:4],
    }


# -- who was told ----------------------------------------------------------------------------


def deliveries(alerts: Sequence[Json], receivers: Receivers) -> list[str]:
    """One Slack message an incident; every transition at the webhook, at least once."""
    due = [alert for alert in alerts if not alert["late"] and alert["transition"] != "pended"]
    incidents = {alert["incident_id"] for alert in due if alert["transition"] == "fired"}
    roots = Counter(
        message.metadata.get("event_payload", {}).get("key") for message in receivers.slack.roots
    )
    found = [f"no Slack message of incident {each}" for each in incidents - roots.keys()]
    found += [f"{count} Slack messages of {key}" for key, count in roots.items() if count > 1]
    taken = receivers.hook.acknowledged
    found += [
        f"never at the webhook: {_said(alert)}"
        for alert in {each["transition_id"]: each for each in due}.values()
        if alert["transition_id"] not in taken and alert["transition"] == "fired"
    ]
    return found


async def told(here: Installation, witness: Witness) -> tuple[list[Json], list[Json]]:
    """Signals and alerts, and the witness brought up to date."""
    await witness.catch_up()
    told_signals = await values_in(here.bootstrap, here.topics.signals)
    return (
        [signal for signal in told_signals if signal["kind"] != CANARY_KIND],
        await values_in(here.bootstrap, here.topics.alerts),
    )
