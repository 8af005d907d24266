"""How far a consumer is, by what aiokafka was told; held against aiokafka's own state objects."""

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState

from stream.kafka.progress import Progress, progress_of, progress_of_app

ONE, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


@pytest.fixture
async def consumer():
    subscription = SubscriptionState()
    subscription.assign_from_user({ONE, OTHER})
    return SimpleNamespace(_subscription=subscription)


async def test_a_partition_without_an_answer_or_a_position_is_left_out(consumer):
    assert progress_of(consumer) == {}
    consumer._subscription.subscription.assignment.state_value(ONE).highwater = 9
    assert progress_of(consumer) == {}


@pytest.mark.parametrize(("lso", "stable"), [(7, 7), (None, 9), (-1, 9)])
async def test_position_stable_offset_and_end_are_told(consumer, lso, stable):
    state = consumer._subscription.subscription.assignment.state_value(ONE)
    state.reset_to(4)
    state.highwater, state.lso = 9, lso
    assert progress_of(consumer) == {ONE: Progress(4, stable, 9)}


async def test_a_consumer_that_is_not_there_yet_has_no_progress():
    assert progress_of(SimpleNamespace(_subscription=SubscriptionState())) == {}
    assert progress_of_app(SimpleNamespace(consumer=object())) == {}
    assert progress_of_app(SimpleNamespace(consumer=SimpleNamespace(_thread=None))) == {}


async def test_an_app_s_consumer_is_the_one_in_its_thread(consumer):
    state = consumer._subscription.subscription.assignment.state_value(OTHER)
    state.reset_to(1)
    state.highwater = 2
    app = SimpleNamespace(consumer=SimpleNamespace(_thread=SimpleNamespace(_consumer=consumer)))
    assert progress_of_app(app) == {OTHER: Progress(1, 2, 2)}
