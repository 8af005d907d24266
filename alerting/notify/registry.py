"""From a receiver's configuration to its notifier: the only list of what exists."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from alerting.notify.notifier import Notifier
from alerting.notify.route import NotifyConfig, ReceiverConfig
from alerting.notify.slack.incoming import SlackIncomingNotifier
from alerting.notify.slack.notifier import SlackNotifier
from alerting.notify.webhook.config import WebhookConfig
from alerting.notify.webhook.notifier import WebhookNotifier


def build_notifier(
    config: ReceiverConfig,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    environ: Mapping[str, str] | None = None,
) -> Notifier:
    """The notifier of one receiver; its secrets are read here, once.

    Raises:
        SecretError: if a secret cannot be had or is none.
    """
    way = config.way
    if isinstance(way, WebhookConfig):
        return WebhookNotifier(way, clock=clock, environ=environ)
    if way.webhook_url is not None:
        return SlackIncomingNotifier(way, clock=clock, environ=environ)
    return SlackNotifier(way, clock=clock, sleep=sleep, environ=environ)


def build_notifiers(
    config: NotifyConfig,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Notifier]:
    """All receivers' notifiers by name.

    Raises:
        SecretError: if a secret cannot be had or is none.
    """
    return {
        name: build_notifier(receiver, clock=clock, sleep=sleep, environ=environ)
        for name, receiver in config.receivers.items()
    }
