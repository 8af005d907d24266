"""What an operator's command leads to, so that whoever gave it can be told that it was obeyed.

DECIDE answers by what it publishes; here it says which record is the answer to which command. No
Kafka, no clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from alerting.command import (
    ThrottleModeSwitch,
    ThrottleReject,
    ThrottleRelease,
    ThrottleReleaseAll,
)
from alerting.decide.orders import Order
from alerting.throttle.action import Mode, ThrottleAction, decode_action, target_key
from detectors.window import rfc3339
from stream.kafka.topics import TopicsConfig
from stream.operator.board import Board
from stream.operator.table import in_words


@dataclass(frozen=True, slots=True)
class Effect:
    """Where an order's effect shows, and what it looks like.

    Attributes:
        topic: which.
        is_record: whether a record of it is the one; asked once for each, in order.
        in_words: that record, for the person.
    """

    topic: str
    is_record: Callable[[Any], bool]
    in_words: Callable[[Any], str]


def effect_of(order: Order, board: Board, topics: TopicsConfig) -> Effect | None:
    """The effect to wait for; None if there is none to see.

    Args:
        order: any but pause and resume, whose effect is the record that their sender writes.
        board: what was held when the order was given.
        topics: names.
    """
    match order:
        case ThrottleModeSwitch():
            return Effect(
                topics.control,
                lambda record: _command_id(record) == order.id,
                lambda _: f"automatic decisions are now: {order.mode.value}",
            )
        case ThrottleReleaseAll():
            return _release(topics.actions, board.held, "everything is released")
        case ThrottleRelease():
            held = board.held & {order.target}
            return _release(topics.actions, held, f"{order.target}: released")
        case ThrottleReject():
            said = f"{order.target}: rejected for this incident"
            return _release(topics.shadow, {order.target}, said)
        case _:
            return Effect(
                topics.actions,
                lambda record: _is_decided_by(_action(record), order),
                lambda record: in_words(action) if (action := _action(record)) else "",
            )


def _release(topic: str, targets: set[str], said: str) -> Effect | None:
    """The last of the targets' releases."""
    left = set(targets)

    def is_last(record: Any) -> bool:
        action = _action(record)
        if action is not None and action.mode is Mode.RELEASE:
            left.discard(target_key(action.target))
        return not left

    return Effect(topic, is_last, lambda _: said) if left else None


def _is_decided_by(action: ThrottleAction | None, order: Order) -> bool:
    """Whether an action says that it stands for this very order."""
    approval = None if action is None else action.approval
    return (
        approval is not None
        and approval.get("decided_by") == order.issued_by
        and approval.get("decided_at") == rfc3339(order.issued_at.timestamp())
    )


def _action(record: Any) -> ThrottleAction | None:
    return decode_action(record.value)


def _command_id(record: Any) -> str | None:
    try:
        said = msgspec.json.decode(record.value or b"null")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return said.get("command_id") if isinstance(said, dict) else None
