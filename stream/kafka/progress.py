"""How far a consumer is in each of its partitions, by what the broker said with its last answer.

It asks nobody and costs nothing, so it can be looked at every second. aiokafka tells these numbers
partition by partition through assertions, and Faust's consumer lives in a thread of its own: hence
the look inside. This file must not move anything.
"""

from typing import Any, NamedTuple

from aiokafka import TopicPartition


class Progress(NamedTuple):
    """One partition.

    Attributes:
        position: next offset that will be handed out.
        stable: last stable offset; nobody who reads committed records reads past it.
        end: of the log.
    """

    position: int
    stable: int
    end: int


def progress_of(consumer: Any) -> dict[TopicPartition, Progress]:
    """Every assigned partition that has a position and has been answered for.

    Args:
        consumer: an ``AIOKafkaConsumer``, started or not.
    """
    subscription = consumer._subscription.subscription  # noqa: SLF001  see above
    assignment: Any = None if subscription is None else subscription.assignment
    found = {}
    for source in () if assignment is None else assignment.tps:
        state = assignment.state_value(source)
        if state is not None and state.highwater is not None and state.has_valid_position:
            stable = state.highwater if state.lso is None or state.lso < 0 else state.lso
            found[source] = Progress(state.position, stable, state.highwater)
    return found


def progress_of_app(app: Any) -> dict[TopicPartition, Progress]:
    """The same of a Faust app's consumer; nothing before it has one."""
    consumer = getattr(getattr(app.consumer, "_thread", None), "_consumer", None)
    return {} if consumer is None else progress_of(consumer)
