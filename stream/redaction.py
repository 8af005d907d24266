"""A key's secret never gets past the door: what looks like one becomes its hash.

The rule lives in ``spendwatch_client.key``, since gateways must find the very same name for a key;
this file gives it the name it has in here, and applies it to what people write.
"""

import re

from spendwatch_client.key import is_live_secret
from spendwatch_client.key import key_id as redact_key

__all__ = ["is_live_secret", "redact_key", "redact_text"]

_WORD = re.compile(r"[^\s'\"=,;()]+")


def redact_text(text: str) -> str:
    """A sentence whose words that look like live secrets are replaced by their ids.

    >>> redact_text("blocked sk-1234, see the wiki")[:19]
    'blocked sha256:88dc'
    """
    return _WORD.sub(lambda word: redact_key(word[0]) if is_live_secret(word[0]) else word[0], text)
