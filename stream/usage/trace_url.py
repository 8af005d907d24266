"""Which ``trace_url`` may be shown to people: one that is a plain web address and opens no door.

It is sent to chats and webhooks, kept in topics, and clicked on at three in the morning. What is
refused counts as not sent: the event counts, and its link is dropped whole, since one that was
altered leads nowhere. This file must not keep or quote what was sent.
"""

import re
from enum import StrEnum
from itertools import pairwise
from string import ascii_letters, digits
from typing import Final
from urllib.parse import unquote

from stream.redaction import is_live_secret

TRACE_URL_MAX_CHARS: Final = 512
"""Longer ones are not shown: Slack's messages have room for no more (``slack/blocks.py``), and
``EXEMPLARS_MAX`` of them are a quarter of a megabyte. Back ends need 60 to 200 for a trace."""

_DECODED_TIMES: Final = 2
"""A link within a link is percent-encoded twice; what is encoded oftener hides something."""

_PLAIN = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)?"
)
"""RFC 3986 as far as it is needed, and hosts with an underscore, as containers have them."""

_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_USERINFO = re.compile(r"[/\\]{2}[^/\\?#\s]*@")
"""What stands before an ``@`` is a password, or a name that hides the host."""

_NAME_CHARS = f"{ascii_letters}{digits}_.-[]"
_NAME_MAX_CHARS = 80
"""Of a longer name the end is looked at."""

_BRACKETS = re.compile(r"[\[\]]+")
_PART = re.compile(r"[_.\-]|(?<=[a-z])(?=[A-Z])")
_COUNT = re.compile(r"[0-9]+(?:[&#;\s]|\Z)")
_NO_PARTS = str.maketrans("", "", "_.-")


def _and_plurals(*names: str) -> tuple[str, ...]:
    return (*names, *(f"{name}s" for name in names))


_DOORS = _and_plurals(
    *("token", "key", "secret", "signature", "credential", "jwt", "bearer"),
    *("password", "passwd", "passphrase", "passcode", "pwd"),
    *("authcode", "authorizationcode", "accesscode", "logincode", "verificationcode"),
)
"""Names of parameters that open something by themselves end so, underscores and case aside."""

_NO_DOORS = tuple(
    f"{kind}key"
    for kind in ("sort", "order", "group", "issue", "project", "row", "partition", "primary")
)
_LAST_PARTS = frozenset(_and_plurals("sig", "sas", "auth", "authorization", "otp", "pass"))
_SESSION_IDS = ("sessionid", "sessid")
_SESSIONS = ("session", "sessionid", "sessid", "sid", "cookie")
"""They may be a chat's; what 32 hex digits are behind them is no trace's id."""

_HINT = re.compile(r"token|key|secret|sig|cred|jwt|bearer|pass|pwd|code|sas|auth|otp|sess|sid|cook")
"""Without one of these nothing is a door: looking at each of a hundred names takes 400 us."""

_BEARER = re.compile(r"\bbearer[\s+]+\S")
_WORD = re.compile(r"""[^\s/?#&=;,:@"'`()\[\]{}<>+|\\!$*^]{7,}""")
"""No live secret is shorter: ``sk-1234``."""

_VALUE = re.compile(r"""=\s*["']?([A-Za-z0-9+][A-Za-z0-9+/_\-.~]{31,})""")
"""Of base64, slashes and all."""

_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
"""W3C Trace Context writes a trace's id so; as an API key it would be taken for a secret."""

_PATH_END = re.compile(r"[?#]")
_COMMIT_ID = re.compile(r"[0-9a-fA-F]{40}")


class Refusal(StrEnum):
    """Why a link is not shown."""

    TOO_LONG = "too_long"
    NOT_PLAIN = "not_plain"
    USERINFO = "userinfo"
    DOOR = "door"
    SECRET = "secret"  # noqa: S105  a word, none itself


def refusal(url: str) -> Refusal | None:
    """Why a link may not be shown, or ``None`` if it may.

    Of the link as it was sent and as it reads once its percent signs are decoded, once and twice:

    - more than 512 characters; anything but plain http or https; what is encoded oftener;
    - userinfo, in an address within the address, too;
    - a parameter whose name ends in ``token``, ``key`` (but ``sort_key`` and the like), ``secret``,
      ``signature``, ``password`` and so on, in ``sig``, ``sas``, ``auth``, ``otp`` or ``pass`` as a
      word of its own, or is ``code`` or a ``sessionid``, with a plural s or ``[...]`` behind it
      (``max_tokens=4096`` is a count, though); ``Bearer`` and a word;
    - a word that looks like a live secret. 32 hex digits are taken for a trace's id but behind
      ``session`` and the like, 40 for a commit's id in the path and for a secret elsewhere.

    >>> refusal("https://traces.example/trace/4bf92f3577b34da6a3ce929d0e0e4736?at=7#span-2")
    >>> refusal("https://t.example/7?next=https%3A%2F%2Fme%3Apass%40host%2F")
    <Refusal.USERINFO: 'userinfo'>
    """
    if len(url) > TRACE_URL_MAX_CHARS:
        return Refusal.TOO_LONG
    if not _PLAIN.fullmatch(url):
        return Refusal.USERINFO if _has_userinfo(url) else Refusal.NOT_PLAIN
    forms = [url]
    while _ENCODED.search(forms[-1]):
        if len(forms) > _DECODED_TIMES:
            return Refusal.NOT_PLAIN
        forms.append(unquote(forms[-1]))
    if any(map(_has_userinfo, forms)):
        return Refusal.USERINFO
    if any(map(_has_door, forms)):
        return Refusal.DOOR
    return Refusal.SECRET if any(map(_has_secret, forms)) else None


def _has_userinfo(text: str) -> bool:
    return "@" in text and _USERINFO.search(text) is not None


def _has_door(text: str) -> bool:
    low = text.lower()
    if not _HINT.search(low):
        return False
    if "bearer" in low and _BEARER.search(low):
        return True
    for before, value in pairwise(text.split("=")):
        end = before[-_NAME_MAX_CHARS:].rstrip()
        name = end[len(end.rstrip(_NAME_CHARS)) :]
        if any(_is_door(part, value.lstrip()) for part in _BRACKETS.split(name)):
            return True
    return False


def _is_door(name: str, value: str) -> bool:
    low = name.lower()
    flat = low.translate(_NO_PARTS)
    if flat.endswith(_SESSIONS) and _TRACE_ID.match(value):
        return True
    if flat.endswith(_DOORS) and not flat.endswith(_NO_DOORS):
        return not (flat.endswith("tokens") and _COUNT.match(value))
    is_one = flat == "code" or low.endswith(_SESSION_IDS)
    return is_one or _PART.split(name)[-1].lower() in _LAST_PARTS


def _has_secret(text: str) -> bool:
    path_end = len(_PATH_END.split(text, maxsplit=1)[0])
    for found in _WORD.finditer(text):
        word = found[0]
        is_id = _TRACE_ID.fullmatch(word) or (
            found.end() <= path_end and _COMMIT_ID.fullmatch(word)
        )
        if not is_id and is_live_secret(word):
            return True
    return any(
        is_live_secret(value) for value in _VALUE.findall(text) if not _TRACE_ID.fullmatch(value)
    )
