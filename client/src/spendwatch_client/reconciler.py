"""Keeps what a gateway enforces elsewhere equal to what the throttle state says.

For gateways that must call somebody, such as an admin API that blocks a key: what was told there
stays until something else is told, so a lapse or a pause must be told as well. There is one rule: a
target is told whenever what is wanted of it differs from what it was told last. This file must not
know Kafka.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from spendwatch_client.lease import Lease, Mode, Target
from spendwatch_client.state import ThrottleState

_log = logging.getLogger("spendwatch_client.throttle")

_AT_ONCE = 32
# Calls at the same time, each about another target: with one at a time, a pause would take a minute
# to reach 100 keys behind an admin API that answers in 0.6 s; it has 5 s.
_FIRST_RETRY_SECONDS = 1.0
_MOST_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The newest call about a target that has not succeeded.

    Attributes:
        wish: what was wanted.
        failures: calls for it in a row.
        began_at: when this one began, wall clock, epoch seconds.
        again_at: when the next one may begin.
    """

    wish: tuple[Mode, str]
    failures: int
    began_at: float
    again_at: float

    def is_waiting(self, wish: tuple[Mode, str], now: float) -> bool:
        """Whether it is too early to try again; a clock that was set back does not wait."""
        return wish == self.wish and self.began_at <= now < self.again_at


class Reconciler:
    """Tells a gateway what to enforce, until it has taken it.

    At first nothing is known to be told, so every target in the state is told once. A call that
    fails may have taken effect all the same: what is enforced is then unknown, and told again,
    after 1, 2, 4 … 60 s, for as long as it is wanted. Letting go has no end, so it is tried for
    ever. Targets that are let go come first.

    Args:
        state: what is wanted.
        enforce: told one lease; raises if that did not work. Never called twice at a time about
            one target.
        enforce_seconds: how long one call may take before it counts as failed.
        told: called after each call, with the lease and why it failed (empty: it did not).
        clock: wall clock, epoch seconds.
    """

    def __init__(
        self,
        state: ThrottleState,
        enforce: Callable[[Lease], Awaitable[None]],
        *,
        enforce_seconds: float,
        told: Callable[[Lease, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._enforce = enforce
        self._enforce_seconds = enforce_seconds
        self._tell_result = told
        self._clock = clock
        self._told: dict[Target, Lease | None] = {}  # None: a call failed, so nobody knows
        self._attempts: dict[Target, _Attempt] = {}
        self._waiting: deque[Target] = deque()
        self._running: dict[Target, asyncio.Task[None]] = {}
        self._is_stopped = False

    def look(self) -> None:
        """Begin to tell whatever differs now; returns at once.

        Call it after every change of the state, and every second for what time alone changes.
        """
        self._is_stopped = False
        now = self._clock()
        held = {lease.target for lease in self._state.leases()}
        for target in self._told.keys() - held:
            last = self._told[target]
            if last is not None and last.mode is Mode.RELEASE:
                del self._told[target]
        targets = self._told.keys() | held
        due = [lease for target in targets if (lease := self._due(target, now)) is not None]
        due.sort(key=lambda lease: lease.mode is not Mode.RELEASE)
        self._waiting = deque(lease.target for lease in due)
        self._begin_waiting()

    async def stop(self) -> None:
        """Break off the calls that are under way; what they were about stays as it is."""
        self._is_stopped = True
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def wanted(self, target: Target, now: float) -> Lease:
        """What is to be enforced on a target at ``now`` (epoch seconds); "nothing" is a release.

        An action that does not hold at ``now`` becomes a release with an empty ``action_id`` whose
        ``reason`` says why.
        """
        lease = self._state.lease_of(target)
        if lease is None:
            return _letting_go(target, "the action is gone")
        if lease.mode is Mode.RELEASE:
            return lease
        if self._state.is_paused:
            return _letting_go(target, "throttling is paused", lease)
        if lease.trouble:
            return _letting_go(target, lease.trouble, lease)
        if lease.has_lapsed(now):
            return _letting_go(target, f"the lease of {lease.action_id} has run out", lease)
        return lease

    def _due(self, target: Target, now: float) -> Lease | None:
        """What to tell a target now, or None: it knows, is being told, or failed a moment ago."""
        if target in self._running:
            return None
        wanted = self.wanted(target, now)
        attempt = self._attempts.get(target)
        if attempt is not None and attempt.is_waiting(_wish(wanted), now):
            return None
        last = self._told.get(target)
        if last is None:
            return wanted
        is_let_go = wanted.mode is last.mode is Mode.RELEASE
        if _wish(wanted) == _wish(last) or (is_let_go and not wanted.action_id):
            return None
        return wanted

    def _begin_waiting(self) -> None:
        now = self._clock()
        while self._waiting and len(self._running) < _AT_ONCE and not self._is_stopped:
            target = self._waiting.popleft()
            lease = self._due(target, now)
            if lease is None:
                continue
            self._note_attempt(lease, now)
            task = asyncio.create_task(self._tell(lease), name="throttle-enforce")
            self._running[target] = task
            task.add_done_callback(partial(self._ended, target))

    def _note_attempt(self, lease: Lease, now: float) -> None:
        """Count the call as failed until it has succeeded: it may end in any way."""
        target, wish = lease.target, _wish(lease)
        last = self._attempts.get(target)
        failures = last.failures + 1 if last is not None and last.wish == wish else 1
        pause = min(_FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 10), _MOST_RETRY_SECONDS)
        self._attempts[target] = _Attempt(wish, failures, now, now + pause)
        self._told[target] = None

    async def _tell(self, lease: Lease) -> None:
        try:
            async with asyncio.timeout(self._enforce_seconds):
                await self._enforce(lease)
        except Exception as error:  # noqa: BLE001  the gateway's own code: told, and tried again
            said = str(error)
            if isinstance(error, TimeoutError) and not said:
                said = f"no answer within {self._enforce_seconds:g} s"
            detail = f"{type(error).__name__}: {said}"[:300]
            _log.warning(
                "throttle_enforce_failed action_id=%s mode=%s failures=%d detail=%s",
                lease.action_id,
                lease.mode,
                self._attempts[lease.target].failures,
                detail,
            )
            self._tell_result(lease, detail)
            return
        del self._attempts[lease.target]
        self._told[lease.target] = lease
        self._tell_result(lease, "")

    def _ended(self, target: Target, _: asyncio.Task[None]) -> None:
        del self._running[target]
        self._waiting.append(target)  # something else may be wanted by now
        self._begin_waiting()


def _wish(lease: Lease) -> tuple[Mode, str]:
    return lease.mode, lease.action_id


def _letting_go(target: Target, reason: str, lease: Lease | None = None) -> Lease:
    return Lease(
        action_id="",
        target=target,
        mode=Mode.RELEASE,
        admit_ratio=1.0,
        reason=reason,
        expires_at=lease.expires_at if lease else 0.0,
        holds_after_lapse=False,
        sequence=lease.sequence if lease else 0,
    )
