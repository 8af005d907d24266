"""Who is behind an event, as one small number: the same for all events alike but for their amounts.

A feed has far fewer identities than events, so all that follows from names alone (cleaning, scopes,
delta partitions, what to ask the price list) is found once per identity and then looked up by
number, in whole columns. Not here: amounts, prices, time.
"""

from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.scope import DEFAULT_ENVIRONMENT
from stream.canary import NAME as CANARY
from stream.delta import CONTRIBUTOR_DIMENSIONS
from stream.ingest.growing import Growing
from stream.usage.fanout import Fanout, delta_partition, own_dimensions
from stream.usage.usage import RecordKind, Status, Usage
from stream.usage.wire import Wire

IDENTITIES_MAX: Final = 200_000
"""Identities kept before all are forgotten and learned anew: about 300 MB where none share a name,
at ten names of 12 characters each."""

NAMES_MAX: Final = 500_000
"""Names of contributors, and scopes that were asked for, kept likewise: some 100 MB."""

_Key = tuple[Any, ...]

_PRICE_FIELDS: Final = ("provider", "model", "service_tier")
_KIND_FIELDS: Final = ("record", "status", "outcome", "estimated", "cache_hit")


class Priceable(NamedTuple):
    """What of an identity its price depends on."""

    provider: str
    model: str
    service_tier: str


class Kind(NamedTuple):
    """What of an identity says how it is counted."""

    record: str
    status: str
    outcome: str
    estimated: bool
    cache_hit: bool

    @property
    def namespace(self) -> str:
        """Among which like an event's id is a repeat.

        A final count does not repeat an estimate of the same call, and each kind of outcome is told
        once per call.
        """
        if self.record == RecordKind.OUTCOME:
            return f"outcome {self.outcome}"
        return "estimate" if self.estimated else "call"


def kind_of(usage: Usage) -> Kind:
    """The kind of an accepted event."""
    return Kind(usage.record, usage.status, usage.outcome, usage.estimated, usage.cache_hit)


class Columns(NamedTuple):
    """All identities by number, all scopes by number, all names by number. Nobody may write here.

    Attributes:
        scopes: shape (identities, kinds of scopes), numbers of scopes; 0 where there is none.
        names: shape (identities, contributor dimensions), numbers of names; 0 where absent.
        price: per identity, into ``Identities.priceables``.
        kind: per identity, into ``Identities.kinds``.
        partition: per scope, the delta partition that owns it.
        own: per scope, a bit for each contributor dimension that it fixes itself.
    """

    scopes: NDArray[np.int32]
    names: NDArray[np.int32]
    price: NDArray[np.int32]
    kind: NDArray[np.int32]
    partition: NDArray[np.int32]
    own: NDArray[np.int32]


class _Numbers(dict[Any, Any]):
    """Numbers things as they are met."""

    def __init__(self, enter: Callable[[Any], Any]) -> None:
        self._enter = enter

    def __missing__(self, thing: Any) -> Any:
        number = self[thing] = self._enter(thing)
        return number


class Identities:
    """Numbers identities as they are met; the numbers hold until ``make_room``.

    Attributes:
        of_sent: what ``sent`` makes of an event -> the identity's number.
        sent: an event as written -> its part that tells identities apart. Unhashable where the
            event has billable units, which no identity has.
        scopes: the one-string forms, by number; the first is empty.
        names: of contributors, by number; the first is empty.
        priceables: what is priced alike, by number.
        kinds: what is counted alike, by number.
        width: of a key without its tags.
        tags: names of the tags that are part of an identity.
    """

    def __init__(self, fanout: Fanout, delta_partitions: int) -> None:
        self._fanout = fanout
        self._delta_partitions = delta_partitions
        fields = tuple(dict.fromkeys((*fanout.plain, *_PRICE_FIELDS, *_KIND_FIELDS)))
        self.tags = fanout.tags
        self.sent: Callable[[Wire], _Key] = attrgetter(*fields, "billable_units")
        self._of_usage: Callable[[Usage], _Key] = attrgetter(*fields)
        self.width = len(fields) + 1
        self._environment, self._agent = fields.index("environment"), fields.index("agent")
        self._price_places = itemgetter(*map(fields.index, _PRICE_FIELDS))
        self._kind_places = itemgetter(*map(fields.index, _KIND_FIELDS))
        # Dimensions are the plain fields and then the tags; a key has other fields between them.
        plain = len(fanout.plain)
        self._name_places = fanout.contributors
        self._part_places = [
            (kind, itemgetter(*(p if p < plain else p - plain + self.width for p in places)))
            for kind, places in fanout.kinds
        ]
        self._kinds = max(1, len(fanout.kinds))  # a canary's scope needs a place, too
        self._forget_names()

    def _forget_names(self) -> None:
        self.scopes, self.names = [""], [""]
        self._asked = 0
        self._name_numbers = _Numbers(self._enter_name)
        self._name_numbers[""] = 0
        self._scope_numbers = _Numbers(self._number_scopes)
        self._canary_numbers = _Numbers(self._enter_text)
        self._of_scope = Growing(np.int32, 2)
        self._of_scope.append((0, 0))
        self._forget_identities()

    def _forget_identities(self) -> None:
        self.of_sent: dict[_Key, int] = {}
        self.priceables: list[Priceable] = []
        self.kinds: list[Kind] = []
        self._price_numbers = _Numbers(self._enter_price)
        self._kind_numbers = _Numbers(self._enter_kind)
        self._of_identity = Growing(np.int32, self._kinds + len(CONTRIBUTOR_DIMENSIONS) + 2)

    def __len__(self) -> int:
        return len(self._of_identity)

    def make_room(self) -> None:
        """Between two batches: forget what is too much; numbers from before are void then."""
        if self._asked + len(self.names) > NAMES_MAX:
            self._forget_names()
        elif len(self) > IDENTITIES_MAX:
            self._forget_identities()

    def tag_names(self, tags: dict[str, str | None]) -> _Key | None:
        """What a key has after the plain fields; ``None`` where cleaning may change a tag's name.

        Nothing where none of the tags is part of an identity, as if there were no tags at all.
        """
        if not "".join(tags).isprintable():
            return None
        found = tuple([tags.get(tag) or "" for tag in self.tags])
        return found if any(found) else ()

    def enter(self, key: _Key) -> int:
        """The number of an identity whose names are clean, from now on.

        Args:
            key: from ``sent``, followed by ``tag_names``; ``None`` stands for what is absent.
        """
        number = self.of_sent[key] = self._enter(key)
        return number

    def of_usage(self, usage: Usage) -> int:
        """The number of an accepted event."""
        key = (*self._of_usage(usage), None)
        tags = tuple([usage.tags.get(tag, "") for tag in self.tags])
        if any(tags):
            key += tags
        number = self.of_sent.get(key)
        return self.enter(key) if number is None else number

    def _enter(self, key: _Key) -> int:
        key = tuple([part or "" for part in key])
        if self.tags and len(key) == self.width:
            key += ("",) * len(self.tags)
        names = self._name_numbers
        self._of_identity.append(
            (
                *self._scopes_of(key),
                *[names[key[place]] for place in self._name_places],
                self._price_numbers[self._price_places(key)],
                self._kind_numbers[self._kind_places(key)],
            )
        )
        return len(self._of_identity) - 1

    def _scopes_of(self, key: _Key) -> list[int]:
        """A number for each kind; a canary has one scope alone."""
        environment = key[self._environment] or DEFAULT_ENVIRONMENT
        if key[self._agent] == CANARY:
            dimensions = list(key[: len(self._fanout.plain)] + key[self.width :])
            dimensions[self._environment] = environment
            canary = self._fanout.canary(tuple(dimensions))
            if canary is not None:
                return [self._canary_numbers[canary]] + [0] * (self._kinds - 1)
        tables = self._scope_numbers[environment]
        return [numbers[parts(key)] for numbers, parts in tables] or [0]

    def _enter_name(self, name: str) -> int:
        self.names.append(name)
        return len(self.names) - 1

    def _enter_price(self, key: _Key) -> int:
        self.priceables.append(Priceable(*key))
        return len(self.priceables) - 1

    def _enter_kind(self, key: _Key) -> int:
        record, status, outcome, estimated, cache_hit = key
        self.kinds.append(
            Kind(
                record or RecordKind.CALL.value,
                status or Status.OK.value,
                outcome,
                bool(estimated),
                bool(cache_hit),
            )
        )
        return len(self.kinds) - 1

    def _number_scopes(self, environment: str) -> Any:
        """For each kind of one environment, names of its parts -> the scope's number."""
        self._asked += len(self._part_places)

        def numbers(kind: str) -> _Numbers:
            return _Numbers(lambda parts: self._enter_scope(kind, parts, environment))

        return [(numbers(kind), parts) for kind, parts in self._part_places]

    def _enter_scope(self, kind: str, parts: str | tuple[str, ...], environment: str) -> int:
        self._asked += 1  # a name that has no scope is kept, too
        names = (parts,) if isinstance(parts, str) else parts
        scope = self._fanout.scope(kind, names, environment)
        return self._enter_text(scope) if scope else 0

    def _enter_text(self, scope: str) -> int:
        self._asked += 1
        own = own_dimensions(scope.partition(":")[0])
        bits = sum(1 << bit for bit, name in enumerate(CONTRIBUTOR_DIMENSIONS) if name in own)
        self.scopes.append(scope)
        self._of_scope.append((delta_partition(scope, self._delta_partitions), bits))
        return len(self.scopes) - 1

    def are(self, identity: NDArray[np.int64], has: Callable[[Kind], bool]) -> NDArray[np.bool_]:
        """Of each event, whether its kind is such."""
        found: NDArray[np.bool_] = np.array([has(kind) for kind in self.kinds], np.bool_)[
            self.columns().kind[identity]
        ]
        return found

    def count(self, identity: NDArray[np.int64], has: Callable[[Kind], bool]) -> int:
        """How many events are of such a kind."""
        return int(self.are(identity, has).sum()) if any(map(has, self.kinds)) else 0

    def columns(self) -> Columns:
        """All that is known by now."""
        of, scope = self._of_identity.rows(), self._of_scope.rows()
        kinds = self._kinds
        return Columns(
            of[:, :kinds], of[:, kinds:-2], of[:, -2], of[:, -1], scope[:, 0], scope[:, 1]
        )
