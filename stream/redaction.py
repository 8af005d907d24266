"""A key's secret never gets past the door: what looks like one becomes its hash.

The rule lives in ``spendwatch_client.key``, since gateways must find the very same name for a key;
this file only gives it the name it has in here.
"""

from spendwatch_client.key import is_live_secret
from spendwatch_client.key import key_id as redact_key

__all__ = ["is_live_secret", "redact_key"]
