"""Whom an operator means: a target as typed, which may be a live key.

Somebody who stops a runaway key often has the key itself at hand and nothing else. It becomes its
id here, before it is shown, logged or sent. This file must not quote what it was given.
"""

from collections.abc import Iterable
from typing import Any

from detectors.scope import KINDS, OTHER, Scope
from stream.redaction import is_live_secret, redact_key
from stream.usage.fanout import TAG_PREFIX

API_KEY = "api_key"

ENFORCED_KINDS = (*KINDS, "run")
"""What gateways can match besides what is counted (contracts/native.md, section 4)."""


class TargetError(ValueError):
    """Text that names no target; the message says what to write and quotes no key."""


def target_of(text: str, kinds: Iterable[str] = ()) -> Scope:
    """The target of ``<kind>:<name>[@<environment>]``, or of a key or a key's id alone.

    Args:
        text: as typed.
        kinds: configured kinds of scopes, known besides the built-in ones.

    >>> str(target_of("key-7")), str(target_of("agent:invoice-bot@staging"))
    ('api_key:key-7', 'agent:invoice-bot@staging')
    >>> str(target_of("sk-1234"))[:20]
    'api_key:sha256:88dc2'

    Raises:
        TargetError: for an unknown kind, no name, or a key where none belongs.
    """
    text = text.strip()
    kind, colon, rest = text.partition(":")
    if not colon or text.startswith("sha256:") or is_live_secret(text):
        kind, rest = API_KEY, text
    known = {*ENFORCED_KINDS, *kinds}
    if kind not in known and not all(
        part in known or part.startswith(TAG_PREFIX) for part in kind.split("+")
    ):
        listed = ", ".join(sorted(known))
        raise TargetError(
            f"{_shown(kind)}: no such kind of target; write one of {listed}, or a key"
        )
    try:
        scope = Scope.parse(f"{kind}:{rest}")
    except ValueError:
        raise TargetError(f"{kind}: has no name; write {kind}:<name>") from None
    if is_live_secret(scope.environment):
        raise TargetError("what follows the @ looks like a key; it should be an environment")
    if kind == API_KEY:
        scope = Scope(kind, redact_key(scope.name), scope.environment)
    elif any(is_live_secret(part) for part in scope.name.split("|")):
        raise TargetError(f"the name of this {kind} looks like a key; write api_key:<key>")
    if scope.name == OTHER:
        raise TargetError(f"{scope} stands for many; name one")
    return scope


def with_key_ids(throttle: Any) -> Any:
    """The section ``throttle`` as written, live keys in ``never_block`` replaced by their ids.

    Before anything reads it: an id is what matches, and an error must not quote a key.
    """
    entries = throttle.get("never_block") if isinstance(throttle, dict) else None
    if not isinstance(entries, list):
        return throttle
    return {**throttle, "never_block": [_with_key_id(entry) for entry in entries]}


def _with_key_id(entry: Any) -> Any:
    if not isinstance(entry, str):
        return entry
    if is_live_secret(entry):
        return f"{API_KEY}:{redact_key(entry)}"
    kind, colon, rest = entry.partition(":")
    name, at, environment = rest.partition("@")
    if kind in ("agent", "user") or not is_live_secret(name):
        return entry
    return f"{kind}{colon}{redact_key(name)}{at}{environment}"


def _shown(kind: str) -> str:
    return "this" if is_live_secret(kind) else repr(kind)
