"""The one root of the configuration, and how a file becomes it or a list of all its errors.

Each part's settings live beside what they configure; here they are only put together. Nobody else
reads the file. ``load`` says everything that is wrong in one go, since a person who fixes a
configuration wants to fix it once.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerting.contradiction import Part, contradiction
from alerting.decide.incident import IncidentConfig
from alerting.notify.route import NotifyConfig
from alerting.secret import SecretProblem, problems_of
from alerting.throttle.policy import ThrottleConfig
from alerting.watch.rules import RulesConfig
from stream.config_file.document import read_document
from stream.config_file.kinds import uncounted_kinds
from stream.config_file.problem import ConfigProblem
from stream.config_file.validation import Validation, written_secrets
from stream.health.config import CanaryConfig, MonitoringConfig
from stream.ingest.config import IngestConfig
from stream.kafka.connection import ConnectionConfig
from stream.kafka.topics import MAX_MESSAGE_BYTES, TopicsConfig
from stream.keyed.config import DecideRoleConfig, NotifyRoleConfig
from stream.operator.target import with_key_ids
from stream.usage.fanout import FanoutConfig
from stream.usage.price_config import PricingConfig
from stream.watch.config import WatchRoleConfig


class Settings(BaseModel):
    """Everything an operator can say; every key has a default that suits a stranger."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kafka: ConnectionConfig = Field(ConnectionConfig(), description="How Kafka is reached.")
    topics: TopicsConfig = Field(TopicsConfig(), description="Names and sizes of the topics.")
    ingest: IngestConfig = Field(
        IngestConfig(), description="Reading, deduplicating and combining usage events."
    )
    pricing: PricingConfig = Field(PricingConfig(), description="What a token costs.")
    fanout: FanoutConfig = Field(
        FanoutConfig(), description="Against whom spend is counted: agents, keys, teams."
    )
    watch: WatchRoleConfig = Field(
        WatchRoleConfig(), description="Keeping and answering for what every scope spent."
    )
    rules: RulesConfig = Field(RulesConfig(), description="What is unusual, and budgets.")
    incidents: IncidentConfig = Field(IncidentConfig(), description="Which alerts belong together.")
    throttle: Annotated[ThrottleConfig, BeforeValidator(with_key_ids)] = Field(
        ThrottleConfig(), description="How far automation may go against a key."
    )
    notify: NotifyConfig = Field(NotifyConfig(), description="Who is told, and how.")
    decide_role: DecideRoleConfig = Field(
        DecideRoleConfig(), description="Consumer group of the role DECIDE."
    )
    notify_role: NotifyRoleConfig = Field(
        NotifyRoleConfig(), description="Consumer group of the role NOTIFY."
    )
    monitoring: MonitoringConfig = Field(
        MonitoringConfig(), description="Where a worker says how it is."
    )
    canary: CanaryConfig = Field(
        CanaryConfig(), description="A made-up event that shows that the whole path works."
    )

    @model_validator(mode="after")
    def _check_across_parts(self) -> Self:
        problems: list[Part] = [*uncounted_kinds(self.rules, self.fanout.kinds)]
        if self.ingest.allowed_lateness_seconds >= self.rules.window_seconds:
            problems.append(
                (
                    ("ingest", "allowed_lateness_seconds"),
                    f"must be less than rules.window_seconds, which is {self.rules.window_seconds}",
                )
            )
        if self.ingest.max_message_bytes > MAX_MESSAGE_BYTES:
            problems.append(
                (
                    ("ingest", "max_message_bytes"),
                    f"must be at most {MAX_MESSAGE_BYTES}, the max.message.bytes of the topic",
                )
            )
        if problems:
            raise contradiction(problems)
        return self


def errors_in_words(count: int) -> str:
    """A number of errors, as the last line of a check has it."""
    return f"{count} error{'s' if count != 1 else ''}"


class ConfigError(Exception):
    """A file that is no configuration.

    Attributes:
        path: the file.
        problems: all of them, in the order of the file.
    """

    def __init__(self, path: Path, problems: list[ConfigProblem]) -> None:
        super().__init__(f"{path}: {errors_in_words(len(problems))}")
        self.path = path
        self.problems = problems


def load(path: Path | None = None) -> Settings:
    """The settings of a file, or the built-in ones without a file.

    Raises:
        ConfigError: with everything that is wrong.
    """
    if path is None:
        return Settings()
    try:
        document = read_document(path)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or type(error).__name__}"
        raise ConfigError(path, [ConfigProblem((), None, "", reason)]) from None
    problems = [ConfigProblem(e.path, e.line, "", e.message) for e in document.errors]
    if not isinstance(document.data, dict):
        message = "the file should hold keys and values, such as 'kafka:'"
        problems.append(ConfigProblem((), 1, "", message))
        raise ConfigError(path, problems)
    problems += written_secrets(Settings, document)
    validation = Validation(Settings, document)
    settings = validation.run()
    problems += validation.problems.values()
    if settings is None or problems:
        raise ConfigError(path, sorted(problems, key=lambda problem: problem.line or 0))
    return settings


def secret_problems(settings: Settings, *, with_receivers: bool = True) -> list[SecretProblem]:
    """Every secret that cannot be used here and now, all at once.

    Args:
        settings: what refers to them.
        with_receivers: whether those of receivers, which only the role NOTIFY needs, are asked for.
    """
    kafka = {"password": settings.kafka.password, "key_password": settings.kafka.key_password}
    readings = {key: secret.reveal for key, secret in kafka.items() if secret is not None}
    problems = [problem.below("kafka") for problem in problems_of(readings)]
    if settings.canary.enabled:
        heartbeat = problems_of({"heartbeat_url": settings.canary.heartbeat})
        problems += [problem.below("canary") for problem in heartbeat]
    if with_receivers:
        problems += [problem.below("notify") for problem in settings.notify.secret_problems()]
    return problems
