"""What a gateway or an SDK needs of spendwatch: publish usage, obey throttle actions.

A distribution of its own that knows Kafka and JSON and nothing of faust or of spendwatch's insides.
Whatever goes wrong in here, the caller's model calls go on: reading fails open, writing never
blocks.
"""

from spendwatch_client.key import key_id

__all__ = ["key_id"]
