"""The one place where an API key becomes an id.

Producers, spendwatch and enforcers must arrive at the same id for the same key, or a throttle never
meets its calls; and a live key must not reach a topic, a table, a log or a chat. This file must
not log, must not know events or Kafka, and must not remember what it saw.

The rule, in order. Blanks around, and a leading ``Bearer``, are dropped before anything else.

1. Kept: names that say they are ids or hashes: ``sha256:<64 hex>``, a bare SHA-256 in hex (what
   LiteLLM reports), a UUID with dashes, anything beginning ``key-``, ``key_`` or ``apikey_``, and
   keys that are masked already (``sk-...f3a9``, ``sk-****f3a9``).
2. Hashed: known beginnings of live secrets (``sk-``, ``AKIA``, ``AIza``, ``ghp_``, JSON web tokens
   and so on) with as many characters after them as make it no name; 32 or 40 hex digits (older
   Azure and GitHub secrets look so; an MD5 or a bare UUID is hashed with them); whatever came
   behind ``Bearer``.
3. Hashed: at least 32 characters of a token alphabet, with capitals, small letters and digits or
   without any separator, in which 30 % or more of neighbours differ in class (letter case, digit).
   Random base62 differs in about 64 % of neighbours, words in under 20 %.

Everything else is taken to be a name. Hashing something that was an id after all costs only its
readability, since everybody hashes it alike.
"""

import hashlib
import re
from string import ascii_lowercase, ascii_uppercase, digits

_KEPT = re.compile(
    r"sha256:[0-9a-f]{64}"
    r"|[0-9a-f]{64}"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?:key-|key_|apikey_).*"
    r"|[\w-]{1,12}(?:\.{3,}|…|\*{3,})[\w-]{0,8}",
    re.DOTALL,
)
_LIVE = re.compile(
    r"(?:sk-|sk_live_|sk_test_|rk_live_|rk_test_|ya29\.|github_pat_|glpat-|xox[abeoprs]-|xapp-).{4,}"
    r"|(?:AKIA|ASIA|ABSK)[A-Z0-9]{12,}.*"
    r"|(?:AIza|gh[opsru]_|hf_|gsk_|xai-|pplx-|r8_|nvapi-|fw_|tgp_v1_)[\w-]{16,}"
    r"|eyJ[\w-]{8,}\..*|-----BEGIN .*"
    r"|[0-9a-fA-F]{32}|[0-9a-fA-F]{40}",
    re.DOTALL,
)
_TOKEN = re.compile(r"[A-Za-z0-9_\-+/=.~]{32,}")
_BEARER = re.compile(r"bearer\s+", re.IGNORECASE)
_MIXED_CLASSES = 2
_ALL_CLASSES = 3

LIVE_CLASS_CHANGE_RATIO = 0.3
"""Share of neighbouring characters of different class above which a long token counts as random."""


_CLASSES = str.maketrans(
    dict.fromkeys(ascii_lowercase, "a")
    | dict.fromkeys(ascii_uppercase, "A")
    | dict.fromkeys(digits, "0")
    | dict.fromkeys("_-+/=.~", "-")
)
_CHANGES = ("aA", "Aa", "a0", "0a", "A0", "0A")


def _is_random(token: str) -> bool:
    # Whole strings at once: a loop over the characters took 100 ns for each.
    classes = token.translate(_CLASSES)
    kinds = sum(kind in classes for kind in "aA0")
    if kinds < _MIXED_CLASSES or ("-" in classes and kinds < _ALL_CLASSES):
        return False
    pairs = sum(len(word) - 1 for word in classes.split("-") if word)
    changes = sum(map(classes.count, _CHANGES))
    return changes >= LIVE_CLASS_CHANGE_RATIO * pairs


def is_live_secret(api_key: str) -> bool:
    """Whether a reported key looks like a secret that would open something; the rule is above.

    >>> is_live_secret("sk-proj-4eC39HqLyjWDarjtT1zdp7dc"), is_live_secret("team-7-production")
    (True, False)
    """
    if _KEPT.fullmatch(api_key):
        return False
    if _LIVE.fullmatch(api_key):
        return True
    return _TOKEN.fullmatch(api_key) is not None and _is_random(api_key)


def key_id(raw: str) -> str:
    """The id under which a key is counted and throttled: itself, or ``sha256:<hex>``.

    Unsalted on purpose, so that an enforcer that holds the secret finds the same id. Applying it
    twice changes nothing. ``Bearer <key>`` and ``<key>`` have the same id where the key looks like
    a live secret or is one of the forms that are kept.

    Args:
        raw: the key, its id, its hash, or an ``Authorization`` header's value.

    >>> key_id("key-7")
    'key-7'
    >>> key_id("Bearer sk-1234")
    'sha256:88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b'

    Sources:
        Prefixes: the providers' own key pages and the public pattern lists of secret scanners, read
        November 2026. ``sk-1234`` is the master key in LiteLLM's documentation.
    """
    stripped = raw.strip()
    bearer = _BEARER.match(stripped)
    bare = stripped[bearer.end() :] if bearer else stripped
    if (bearer and not _KEPT.fullmatch(bare)) or is_live_secret(bare):
        return f"sha256:{hashlib.sha256(bare.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return bare
