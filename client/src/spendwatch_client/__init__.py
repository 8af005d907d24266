"""What a gateway or an SDK needs of spendwatch: publish usage, obey throttle actions.

A distribution of its own that knows Kafka and JSON and nothing of faust or of spendwatch's insides.
Whatever goes wrong in here, the caller's model calls go on: reading fails open, writing never
blocks.
"""

from spendwatch_client.key import key_id
from spendwatch_client.lease import Lease, Mode
from spendwatch_client.producer import UsageProducer
from spendwatch_client.state import Applied, Decision, Effect, ThrottleState
from spendwatch_client.subscriber import ThrottleSubscriber, Topics

__all__ = [
    "Applied",
    "Decision",
    "Effect",
    "Lease",
    "Mode",
    "ThrottleState",
    "ThrottleSubscriber",
    "Topics",
    "UsageProducer",
    "key_id",
]
