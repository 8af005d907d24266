"""Which ``trace_url`` may be shown to people: one that is a plain web address and opens no door.

It is sent to chats and webhooks, kept in topics, and clicked on at three in the morning. What is
refused counts as not sent: the event counts, and its link is dropped whole, since one that was
altered leads nowhere. This file must not keep or quote what was sent.
"""

import re
from typing import Final

from stream.redaction import is_live_secret

TRACE_URL_MAX_CHARS: Final = 512
"""Longer ones are not shown: Slack's messages have room for 600 (``slack/blocks.py``), and
``EXEMPLARS_MAX`` of them are a quarter of a megabyte. Back ends need 60 to 200 for a trace."""

_PLAIN = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)?"
)
"""RFC 3986 as far as it is needed, without userinfo: what stands before an ``@`` is a password, or
a name that hides the host."""

_DOOR = re.compile(
    r"[?&#;=](?:[\w.%-]*(?:token|key|secret|passw(?:or)?d|pwd|signature|credentials?|jwt)"
    r"|(?:[\w.%-]*[_.%-])?(?:sig|auth|authorization))(?:=|%3d)",
    re.IGNORECASE,
)
"""A parameter that opens something by itself: tokens, keys, signatures of pre-signed addresses."""

_WORD = re.compile(r"[^/?#&=;,:@]{7,}")
"""No live secret is shorter: ``sk-1234``."""

_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
"""W3C Trace Context writes a trace's id so; as an API key it would be taken for a secret."""


def is_shown(url: str) -> bool:
    """Whether a link may be shown.

    >>> is_shown("https://traces.example/trace/4bf92f3577b34da6a3ce929d0e0e4736?at=7#span-2")
    True
    >>> is_shown("https://me:pass@traces.example/7"), is_shown("https://t.example/7?api_key=x")
    (False, False)
    """
    return (
        len(url) <= TRACE_URL_MAX_CHARS
        and _PLAIN.fullmatch(url) is not None
        and _DOOR.search(url) is None
        and not any(
            is_live_secret(word) for word in _WORD.findall(url) if not _TRACE_ID.fullmatch(word)
        )
    )
