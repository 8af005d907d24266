"""Every metric of spendwatch: name, type, help, labels and who exposes it, in one list.

Names follow Prometheus: base units, ``_total`` for what only grows. Labels are bounded by the
configuration or by a closed list; no name out of an event is ever one. What a metric is, is said in
``metric.py``. This file must not measure anything.

Sources: "Metric and label naming" and "Instrumentation", prometheus.io/docs/practices, read
2026-11-25.
"""

from collections.abc import Iterator

from alerting.alert import Severity, Transition
from alerting.notify.pipeline import TOLD
from alerting.notify.retry import FailureReason
from alerting.notify.stages import Untold
from alerting.throttle.action import Mode
from stream.health.labels import AckResult, Partitioner, Topics
from stream.health.metric import Metrics
from stream.keyed.config import Role
from stream.usage.rejection import RejectReason
from stream.usage.trace_url import Refusal

SUPERVISOR = "supervisor"
"""The process above the roles, as an owner of metrics."""

ROLES = tuple(role.value for role in Role)
_OF_TRANSACTIONS = (Role.INGEST.value, Role.WATCH.value)
READERS = (Role.INGEST.value, Role.WATCH.value, Role.DECIDE.value, Role.NOTIFY.value)

_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_JOURNEY = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
_TO_ACTION = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)


_ALL = Metrics()
_counter, _gauge, _histogram = _ALL.counter, _ALL.gauge, _ALL.histogram

REGISTRY, SPECS = _ALL.registry, _ALL.specs
"""Of this process; and what is in it by name, in the order of an event's path."""

# -- the worker --------------------------------------------------------------------------------

BUILD_INFO = _gauge(
    "spendwatch_build_info", SUPERVISOR, "1, labelled with the version.", version=None
)
BROKER_UP = _gauge(
    "spendwatch_broker_up", SUPERVISOR, "1 if Kafka let the worker in when it last asked, else 0."
)
ROLE_UP = _gauge(
    "spendwatch_role_up",
    SUPERVISOR,
    "1 while the process of a role runs and its loop turns, else 0.",
    role=None,
)
ROLE_READY = _gauge(
    "spendwatch_role_ready",
    SUPERVISOR,
    "1 while a role is recovered and near the head of its log, else 0.",
    role=None,
)
ROLE_STARTED = _gauge(
    "spendwatch_role_start_timestamp_seconds",
    SUPERVISOR,
    "When a role's process was started, epoch seconds; changes() of it counts its restarts.",
    role=None,
)
ROLE_CPU = _counter(
    "spendwatch_role_cpu_seconds_total", ROLES, "CPU time that a role's process used.", role=None
)
ROLE_MEMORY = _gauge(
    "spendwatch_role_resident_memory_bytes", ROLES, "Memory of a role's process.", role=None
)
LOOP_DELAY = _gauge(
    "spendwatch_role_loop_delay_seconds",
    ROLES,
    "How much later than asked a role's event loop last woke up; no heartbeat goes out meanwhile.",
    role=None,
)
CONSUMER_LAG = _gauge(
    "spendwatch_consumer_lag_records",
    READERS,
    "Records behind the end of the log, of all partitions that a role holds; offsets, so that "
    "transaction markers count.",
    role=None,
)
CONSUMER_LAG_WORST = _gauge(
    "spendwatch_consumer_lag_worst_records",
    READERS,
    "The same of the partition that is furthest behind.",
    role=None,
)
BUFFERED = _gauge(
    "spendwatch_buffered_records",
    _OF_TRANSACTIONS,
    "Records that a role has read and not yet worked on; bounded, whatever its lag.",
    role=None,
)
BUFFERED_BYTES = _gauge(
    "spendwatch_buffered_bytes", _OF_TRANSACTIONS, "The same in bytes.", role=None
)
UNSTABLE = _gauge(
    "spendwatch_unstable_records",
    _OF_TRANSACTIONS,
    "Records of a role's input that nobody may read, behind an open transaction; worst partition.",
    role=None,
)
UNSTABLE_SECONDS = _gauge(
    "spendwatch_unstable_seconds",
    _OF_TRANSACTIONS,
    "For how long a role's input has stood still behind an open transaction; the worst partition.",
    role=None,
)
PARTITIONS = _gauge(
    "spendwatch_assigned_partitions", READERS, "Input partitions that a role holds.", role=None
)
RECOVERY_SECONDS = _gauge(
    "spendwatch_recovery_seconds",
    (Role.WATCH.value, Role.DECIDE.value, Role.NOTIFY.value),
    "How long the last recovery of a role's tables took, from start or rebalance to the first "
    "record taken; of watch, until all partitions are restored, some of whose records are taken "
    "before.",
    role=None,
)
INPUTS_REFUSED = _counter(
    "spendwatch_inputs_refused_total",
    (Role.DECIDE.value, Role.NOTIFY.value),
    "Records of internal topics that did not read or made no sense.",
    role=None,
)

# -- INGEST ------------------------------------------------------------------------------------

EVENTS = _counter(
    "spendwatch_events_total", Role.INGEST, "Usage events counted, canaries included."
)
RECORDS = _counter(
    "spendwatch_records_total", Role.INGEST, "Records read; one may hold many events."
)
REPEATS = _counter(
    "spendwatch_repeats_total", Role.INGEST, "Events left out because their id was known."
)
LATE = _counter(
    "spendwatch_late_events_total", Role.INGEST, "Events behind the watermark: counted, not judged."
)
AHEAD = _counter(
    "spendwatch_ahead_events_total",
    Role.INGEST,
    "Events over an hour ahead of their record: counted, not judged.",
)
ESTIMATED = _counter(
    "spendwatch_estimated_events_total", Role.INGEST, "Events that are guesses until the final one."
)
OUTCOMES = _counter("spendwatch_outcome_events_total", Role.INGEST, "Records of outcomes.")
DEAD_LETTERS = _counter(
    "spendwatch_dead_letters_total",
    Role.INGEST,
    "Events refused and written to the dead letters.",
    reason=tuple(RejectReason),
)
REQUESTS = _counter(
    "spendwatch_requests_total", Role.INGEST, "Model calls counted; an event may stand for many."
)
UNPRICED = _counter(
    "spendwatch_unpriced_requests_total",
    Role.INGEST,
    "Model calls whose cost is unknown; over spendwatch_requests_total it is their share.",
)
SPEND = _counter(
    "spendwatch_spend_usd_total", Role.INGEST, "Dollars counted; a float, so for graphs only."
)
UNKNOWN_FIELDS = _counter(
    "spendwatch_unknown_fields_total", Role.INGEST, "Fields of events that are not known."
)
TRACE_URLS_REFUSED = _counter(
    "spendwatch_trace_urls_refused_total",
    Role.INGEST,
    "Addresses of calls that were looked at for an alert and may not be shown; not all are.",
    reason=tuple(Refusal),
)
BATCH_SECONDS = _histogram(
    "spendwatch_batch_seconds",
    Role.INGEST,
    _QUICK,
    "From the first look at a batch to its committed transaction.",
)
BATCHES_LOST = _counter(
    "spendwatch_batches_lost_total",
    Role.INGEST,
    "Batches of which no commit was heard: counted if found committed, else read again.",
)
RECORDS_DROPPED = _counter(
    "spendwatch_records_dropped_total",
    Role.INGEST,
    "Records handed out before their partition was taken over; read again, nothing is lost.",
)
REKEYED = _counter(
    "spendwatch_rekeyed_events_total",
    Role.INGEST,
    "Events put where their id leads (ingest.rekey).",
)
DEDUP_IDS = _gauge("spendwatch_dedup_ids", Role.INGEST, "Event ids remembered, all partitions.")
DEDUP_KEPT = _gauge(
    "spendwatch_dedup_kept_seconds",
    Role.INGEST,
    "How far back ids are known, in event time, of the partition that knows least.",
    join=min,
)
DEDUP_SHORTENED = _counter(
    "spendwatch_dedup_shortened_total",
    Role.INGEST,
    "Times that ingest.dedup_max_ids cut the horizon short: later repeats count twice.",
)
DEDUP_INCOMPLETE = _counter(
    "spendwatch_dedup_incomplete_total",
    Role.INGEST,
    "Partitions taken over without all ids of the horizon: repeats of what was read before count "
    "twice.",
)
PROVISIONAL_DROPPED = _counter(
    "spendwatch_provisional_dropped_total",
    Role.INGEST,
    "Estimates and outcomes that ingest.provisional_max made final early: what was to replace them "
    "counts beside them.",
)
KEYS_SAMPLED = _counter(
    "spendwatch_keys_sampled_total",
    Role.INGEST,
    "Records whose key was looked at, one in 64.",
)
KEYS_EXPLAINED = _counter(
    "spendwatch_keys_explained_total",
    Role.INGEST,
    "Of those, keyed by event_id and put where this partitioner puts it; what the better one does "
    "not explain is off-key.",
    partitioner=tuple(Partitioner),
)
INPUT_WATERMARK_AGE = _gauge(
    "spendwatch_input_watermark_age_seconds",
    Role.INGEST,
    "How far the watermark of the input partition furthest behind is behind the wall clock.",
    join=max,
)

# -- WATCH -------------------------------------------------------------------------------------

DELTAS = _counter("spendwatch_deltas_total", Role.WATCH, "Messages of deltas folded.")
DELTA_ROWS = _counter(
    "spendwatch_delta_rows_total", Role.WATCH, "Rows (scope and minute) of deltas folded."
)
DELTAS_SET_ASIDE = _counter(
    "spendwatch_deltas_set_aside_total",
    Role.WATCH,
    "Messages that could not be folded and went to the dead letters: money is missing.",
)
WATERMARK_AGE = _gauge(
    "spendwatch_watermark_age_seconds",
    Role.WATCH,
    "How far the watermark of the delta partition furthest behind is behind the wall clock; beyond "
    "120 s nothing new pages or throttles.",
)
SCOPES = _gauge("spendwatch_scopes", Role.WATCH, "Scopes held by this worker.")
FLUSH_SECONDS = _histogram(
    "spendwatch_flush_seconds",
    Role.WATCH,
    _QUICK,
    "How long a flush of changed pages took until the broker had them.",
)
PAGES_WRITTEN = _counter(
    "spendwatch_pages_written_total", Role.WATCH, "Records written to WATCH's changelogs."
)
PAGE_BYTES = _counter(
    "spendwatch_page_bytes_total", Role.WATCH, "Bytes of pages written to WATCH's changelogs."
)
SIGNALS = _counter(
    "spendwatch_signals_total",
    Role.WATCH,
    "Transitions of single scopes' alerts, by kind of rule.",
    kind=("spike", "contributor", "budget", "feed", "ratio", "absence"),
)

# -- DECIDE ------------------------------------------------------------------------------------

ALERTS = _counter(
    "spendwatch_alerts_total",
    Role.DECIDE,
    "Transitions told on spend.alerts.",
    severity=tuple(Severity),
    transition=tuple(Transition),
)
ACTIONS = _counter(
    "spendwatch_throttle_actions_total",
    Role.DECIDE,
    "Throttle actions published, renewals included, canaries left out.",
    mode=tuple(Mode),
    topic=tuple(Topics),
)
LEASES = _gauge(
    "spendwatch_active_leases",
    Role.DECIDE,
    "Targets held down by an enforced action that has not run out.",
    mode=tuple(mode for mode in Mode if mode is not Mode.RELEASE),
)
LAPSED = _counter(
    "spendwatch_protection_lapsed_total",
    Role.DECIDE,
    "Targets whose lease ran out without a release, because nobody renewed it.",
)
INCIDENTS = _gauge("spendwatch_open_incidents", Role.DECIDE, "Incidents that are open.")
PAUSED = _gauge("spendwatch_throttle_paused", Role.DECIDE, "1 while throttling is paused.")
ACKS = _counter(
    "spendwatch_acks_total",
    Role.DECIDE,
    "What enforcers said of actions, canaries left out.",
    result=tuple(AckResult),
)
EVENT_TO_ACTION = _histogram(
    "spendwatch_event_to_action_seconds",
    Role.DECIDE,
    _TO_ACTION,
    "From the newest minute that was judged to the first throttle action about it, shadow "
    "included; minutes are whole, so up to 60 s of it is rounding.",
)

# -- NOTIFY ------------------------------------------------------------------------------------

NOTIFICATIONS = _counter(
    "spendwatch_notifications_total",
    Role.NOTIFY,
    f"Attempts to tell a receiver: delivered, or why not ({', '.join(FailureReason)}).",
    receiver=None,
    outcome=None,
)
VERDICTS = _counter(
    "spendwatch_notification_verdicts_total",
    Role.NOTIFY,
    "What became of transitions, receiver by receiver: enqueued, or why nobody was told.",
    outcome=(TOLD, *Untold),
)
OUTBOX = _gauge(
    "spendwatch_outbox_depth", Role.NOTIFY, "Notices that wait to be delivered.", receiver=None
)
OUTBOX_AGE = _gauge(
    "spendwatch_outbox_age_seconds",
    Role.NOTIFY,
    "How long the oldest notice has waited for its receiver; 0 with none.",
    receiver=None,
)

# -- the canary --------------------------------------------------------------------------------

CANARY_ENABLED = _gauge(
    "spendwatch_canary_enabled", SUPERVISOR, "1 if this worker sends canaries, else 0."
)
CANARIES = _counter(
    "spendwatch_canaries_total",
    SUPERVISOR,
    "Canaries by what became of them.",
    outcome=("sent", "returned", "lost"),
)
CANARY_SECONDS = _histogram(
    "spendwatch_canary_round_trip_seconds",
    SUPERVISOR,
    _JOURNEY,
    "From a canary's usage event to the ack of its shadow action: the headline.",
)
CANARY_LAST = _gauge(
    "spendwatch_canary_last_round_trip_seconds", SUPERVISOR, "The same, of the newest one."
)
CANARY_RETURNED = _gauge(
    "spendwatch_canary_last_return_timestamp_seconds",
    SUPERVISOR,
    "When a canary last came back, epoch seconds; before the first, when canaries began.",
)
HEARTBEATS = _counter(
    "spendwatch_heartbeats_total",
    SUPERVISOR,
    "Requests to canary.heartbeat_url.",
    outcome=("answered", "failed"),
)


def table() -> Iterator[str]:
    """The lines of the table in the documentation, a row for each metric."""
    return _ALL.table({ROLES: "every role"})
