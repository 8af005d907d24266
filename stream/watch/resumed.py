"""A scope as its pages remember it, or an error that says what to do."""

from collections.abc import Sequence
from typing import Any

from alerting.watch.scope_watch import ScopeState, ScopeWatch
from detectors.scope import Scope
from stream.kafka.topics import REBUILD_FROM_DELTAS
from stream.watch.pages import PageError


def resumed(
    watch: ScopeWatch, text: str, live: Sequence[Any], profile: Sequence[Any] | None
) -> ScopeState:
    """The state of a scope.

    Args:
        watch: the chain that wrote it.
        text: the scope's one-string form.
        live: its row of a page of the table ``live``.
        profile: likewise of ``profile``, if there is one.

    Raises:
        PageError: if this program did not write them.
    """
    try:
        return watch.restore(Scope.parse(text), live, profile)
    except (ValueError, TypeError, IndexError) as error:
        raise PageError(
            f"the state of {text} was written by another version of this program ({error}):"
            f" {REBUILD_FROM_DELTAS}"
        ) from error
