"""Who is behind an event, as one small number: the same for all events alike but for their amounts.

A feed has far fewer identities than events, so all that follows from names alone (cleaning, scopes,
delta partitions, what to ask the price list) is found once per identity and then looked up by
number, in whole columns. Not here: amounts, prices, time.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.scope import DEFAULT_ENVIRONMENT
from stream.canary import NAME as CANARY
from stream.delta import CONTRIBUTOR_DIMENSIONS
from stream.ingest.growing import Growing
from stream.ingest.texts import Texts
from stream.usage.fanout import Fanout, delta_partition, own_dimensions
from stream.usage.literals import safe_text
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


def _numbers_of(numbers: _Numbers, things: Iterable[Any], size: int) -> NDArray[np.int32]:
    return np.fromiter(map(numbers.__getitem__, things), np.int32, size)


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
        api_keys: ids of keys that were met: nothing in them has to be hashed.
        tags: names of the tags that are part of an identity.
        delta_partitions: how many partitions the deltas have.
    """

    def __init__(self, fanout: Fanout, delta_partitions: int) -> None:
        self._fanout = fanout
        self.delta_partitions = delta_partitions
        fields = tuple(dict.fromkeys((*fanout.plain, *_PRICE_FIELDS, *_KIND_FIELDS)))
        self.tags = fanout.tags
        self.sent: Callable[[Wire], _Key] = attrgetter(*fields, "billable_units")
        self._of_usage: Callable[[Usage], _Key] = attrgetter(*fields)
        self.width = len(fields) + 1
        self._environment, self._agent = fields.index("environment"), fields.index("agent")
        self._price_fields = [fields.index(name) for name in _PRICE_FIELDS]
        self._kind_fields = [fields.index(name) for name in _KIND_FIELDS]
        # A contributor that is a kind of its own is found with its scope.
        kinds = [kind for kind, _ in fanout.kinds]
        self._name_fields = [
            (place, kinds.index(name) if name in kinds else None)
            for name, place in zip(CONTRIBUTOR_DIMENSIONS, fanout.contributors, strict=True)
        ]
        # Dimensions are the plain fields and then the tags; a key has other fields between them.
        self._plain = plain = len(fanout.plain)
        self._kind_parts = [
            [part if part < plain else part - plain + self.width for part in parts]
            for _, parts in fanout.kinds
        ]
        self._kinds = max(1, len(fanout.kinds))  # a canary's scope needs a place, too
        self._forget_names()

    def _forget_names(self) -> None:
        self.scopes, self.names, self.api_keys = Texts(), Texts(), set[str]()
        self._asked = 0
        self._name_numbers = _Numbers(self._enter_name)
        self._name_numbers[""] = 0
        self._scope_numbers = _Numbers(self._number_scopes)
        self._text_numbers = _Numbers(self._enter_text)
        self._text_numbers[""] = 0
        self._of_scope = Growing(np.int32, 2)
        self._of_scope.append((0, 0))
        self._of_found = Growing(np.int32, 2)
        self._of_found.append((0, 0))
        self._forget_identities()

    def _forget_identities(self) -> None:
        self.of_sent: dict[_Key, int] = {}
        self._new: list[_Key] = []
        self._size = 0
        self.priceables: list[Priceable] = []
        self.kinds: list[Kind] = []
        self._price_numbers = _Numbers(self._enter_price)
        self._kind_numbers = _Numbers(self._enter_kind)
        self._of_identity = Growing(np.int32, self._kinds + len(CONTRIBUTOR_DIMENSIONS) + 2)

    def __len__(self) -> int:
        return self._size

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
        """The number of an identity, from now on.

        Names are cleaned as ``UsageEvent`` cleans them, each once; but an ``api_key`` has to be an
        id already, since what it was is kept here.

        Args:
            key: from ``sent``, followed by ``tag_names``; ``None`` stands for what is absent.
        """
        number = self.of_sent[key] = self._size
        self._size += 1
        self._new.append(key)
        return number

    def of_usage(self, usage: Usage) -> int:
        """The number of an accepted event."""
        key = (*self._of_usage(usage), None)
        tags = tuple([usage.tags.get(tag, "") for tag in self.tags])
        if any(tags):
            key += tags
        number = self.of_sent.get(key)
        return self.enter(key) if number is None else number

    def _settle(self) -> None:
        """Find what follows from the names of new identities.

        Field by field: a table of 30,000 names stays in the processor's cache for a whole column,
        and no Python runs per identity: with what is left per event 8 us of 12, at 100,000 scopes.
        """
        keys, self._new = self._new, []
        if self.tags:
            absent = (None,) * len(self.tags)
            keys = [key if len(key) > self.width else key + absent for key in keys]
        fields = list(zip(*keys, strict=True))
        table = np.empty((len(keys), self._of_identity.width), np.int32)
        found = self._found(fields)
        scope, name = self._of_found.rows().T
        table[:, : self._kinds] = scope[found]
        for place, (dimension, kind) in enumerate(self._name_fields, self._kinds):
            if kind is None:
                table[:, place] = _numbers_of(self._name_numbers, fields[dimension], len(keys))
            else:
                table[:, place] = name[found[:, kind]]
        if CANARY in fields[self._agent]:
            self._mark_canaries(fields, table)
        for place, numbers, of in (
            (-2, self._price_numbers, self._price_fields),
            (-1, self._kind_numbers, self._kind_fields),
        ):
            things = zip(*[fields[field] for field in of], strict=True)
            table[:, place] = _numbers_of(numbers, things, len(keys))
        self._of_identity.extend(table)

    def _found(self, fields: list[tuple[Any, ...]]) -> NDArray[np.int32]:
        """For each identity and kind, which scope and name that is: into ``_of_found``."""
        environments = fields[self._environment]
        table = np.zeros((len(environments), self._kinds), np.int32)
        places = _Numbers(lambda _: [])
        if len(set(environments)) > 1:
            for at, environment in enumerate(environments):
                places[environment].append(at)
        else:
            places[environments[0]] = slice(None)
        for environment, chosen in places.items():
            of_it = fields
            if isinstance(chosen, list):
                of_it = [tuple([field[at] for at in chosen]) for field in fields]
            tables = self._scope_numbers[environment]
            for kind, (numbers, parts) in enumerate(zip(tables, self._kind_parts, strict=True)):
                names = [of_it[part] for part in parts]
                column = names[0] if len(names) == 1 else zip(*names, strict=True)
                table[chosen, kind] = _numbers_of(numbers, column, len(names[0]))
        return table

    def _mark_canaries(self, fields: list[tuple[Any, ...]], table: NDArray[np.int32]) -> None:
        """A canary has one scope alone."""
        for at in [at for at, agent in enumerate(fields[self._agent]) if agent == CANARY]:
            canary = self._canary([field[at] for field in fields])
            if canary is not None:
                table[at, : self._kinds] = 0
                table[at, 0] = self._text_numbers[canary]

    def _canary(self, key: list[Any]) -> str | None:
        names = [safe_text(name or "") for name in (*key[: self._plain], *key[self.width :])]
        names[self._environment] = names[self._environment] or DEFAULT_ENVIRONMENT
        return self._fanout.canary(tuple(names))

    def _enter_name(self, name: str | None) -> int:
        clean = safe_text(name or "")
        if clean != name:
            return int(self._name_numbers[clean])
        return self.names.add(clean)

    def _enter_price(self, key: _Key) -> int:
        self.priceables.append(Priceable(*[safe_text(name or "") for name in key]))
        return len(self.priceables) - 1

    def _enter_kind(self, key: _Key) -> int:
        record, status, outcome, estimated, cache_hit = key
        self.kinds.append(
            Kind(
                record or RecordKind.CALL.value,
                status or Status.OK.value,
                outcome or "",
                bool(estimated),
                bool(cache_hit),
            )
        )
        return len(self.kinds) - 1

    def _number_scopes(self, environment: str | None) -> Any:
        """For each kind in one environment, names of its parts -> the scope's number."""
        self._asked += len(self._kind_parts)
        clean = safe_text(environment or "") or DEFAULT_ENVIRONMENT
        if clean != environment:
            return self._scope_numbers[clean]

        def numbers(kind: str) -> _Numbers:
            return _Numbers(lambda names: self._enter_scope(kind, names, clean))

        return [numbers(kind) for kind, _ in self._fanout.kinds]

    def _enter_scope(self, kind: str, names: Any, environment: str) -> int:
        self._asked += 1  # a name that has no scope is kept, too
        parts = names if isinstance(names, tuple) else (names,)
        clean = [safe_text(name or "") for name in parts]
        scope = self._text_numbers[self._fanout.scope(kind, clean, environment)]
        name = self._name_numbers[clean[0]] if kind in CONTRIBUTOR_DIMENSIONS else 0
        self._of_found.append((scope, name))
        return len(self._of_found) - 1

    def _enter_text(self, scope: str) -> int:
        self._asked += 1
        own = own_dimensions(scope.partition(":")[0])
        bits = sum(1 << bit for bit, name in enumerate(CONTRIBUTOR_DIMENSIONS) if name in own)
        self._of_scope.append((delta_partition(scope, self.delta_partitions), bits))
        return self.scopes.add(scope)

    def are(self, identity: NDArray[np.int64], has: Callable[[Kind], bool]) -> NDArray[np.bool_]:
        """Of each event, whether its kind is such."""
        kind = self.columns().kind[identity]
        found: NDArray[np.bool_] = np.array([has(kind) for kind in self.kinds], np.bool_)[kind]
        return found

    def count(self, identity: NDArray[np.int64], has: Callable[[Kind], bool]) -> int:
        """How many events are of such a kind."""
        return int(self.are(identity, has).sum()) if any(map(has, self.kinds)) else 0

    def scopes_of(self, number: int) -> tuple[str, ...]:
        """The one-string forms of an identity's scopes."""
        found = self.columns().scopes[number].tolist()
        return tuple([self.scopes[scope] for scope in found if scope])

    def are_scopes(self, texts: Iterable[str]) -> NDArray[np.bool_]:
        """Per scope's number, whether its one-string form is among these."""
        known = [self._text_numbers.get(text, 0) for text in texts]
        found = np.zeros(len(self._of_scope), np.bool_)
        found[known] = True
        found[0] = False
        return found

    def columns(self) -> Columns:
        """All that is known by now."""
        if self._new:
            self._settle()
        of, scope = self._of_identity.rows(), self._of_scope.rows()
        kinds = self._kinds
        return Columns(
            of[:, :kinds], of[:, kinds:-2], of[:, -2], of[:, -1], scope[:, 0], scope[:, 1]
        )
