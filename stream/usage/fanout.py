"""From an event to the scopes it is counted against.

Which kinds exist is configuration; how many names a kind may have is WATCH's to enforce, since only
the owner of a delta partition knows them all. This file must not count.
"""

import re
import zlib
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from detectors.scope import KINDS, OTHER, Scope, combine_names
from stream.canary import canary_scope
from stream.delta import CONTRIBUTOR_DIMENSIONS
from stream.usage.usage import Usage

TAG_PREFIX: Final = "tags."
NAMES_MAX_DEFAULT: Final = 10_000
NAMES_MAX_LARGEST: Final = 10_000_000
SCOPES_CACHED: Final = 65_536
"""Tuples of dimensions whose scope strings are kept: some 100 MB with ten long scopes each."""

_TAG_KIND = re.compile(r"tags\.[^+|:@%\s]{1,64}")

Dimensions = tuple[str, ...]
"""An event's values of ``Fanout.fields``, empty where absent."""


class FanoutConfig(BaseModel):
    """Against whom spend is counted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[str, ...] = Field(
        KINDS,
        description="Kinds of scopes: the ten built in, tags.<name>, and combinations such as "
        "agent+model of any of these.",
    )
    max_names: int = Field(
        NAMES_MAX_DEFAULT,
        ge=1,
        le=NAMES_MAX_LARGEST,
        description="Names per kind, shared out evenly to the partitions of deltas, at least one "
        "to each; spend of further ones goes to <kind>:__other__.",
    )
    max_names_by_kind: dict[str, int] = Field(
        default_factory=dict, description="The same for single kinds, for example {user: 50000}."
    )
    default_organization: str = Field(
        "",
        max_length=256,
        description="Organization of events that name none; empty: they have none.",
    )

    @model_validator(mode="after")
    def _names_kinds(self) -> Self:
        for kind in self.kinds:
            parts = kind.split("+")
            for part in parts:
                if part not in KINDS and not _TAG_KIND.fullmatch(part):
                    raise ValueError(
                        f"kinds: {kind!r} is not one; write one of {', '.join(KINDS)}, tags.<name>,"
                        " or a combination such as agent+model"
                    )
            if len(set(parts)) != len(parts):
                raise ValueError(f"kinds: {kind!r} names a kind twice; write each once")
        if len(set(self.kinds)) != len(self.kinds):
            raise ValueError("kinds: one is there twice; write each once")
        for kind, names in self.max_names_by_kind.items():
            if kind not in self.kinds:
                raise ValueError(f"max_names_by_kind: {kind!r} is not among kinds; add it there")
            if not 1 <= names <= NAMES_MAX_LARGEST:
                raise ValueError(
                    f"max_names_by_kind: {kind!r} must be from 1 to {NAMES_MAX_LARGEST}"
                )
        return self


class Fanout:
    """Finds the scopes of events, by configuration.

    Attributes:
        fields: what an event's dimensions are, in order: the fields that any kind or contributor
            needs, ``environment`` among them, then tags.
        scopes_of: the one-string forms of all scopes of an event's dimensions, in the order of the
            kinds; from a bounded cache.
    """

    def __init__(self, config: FanoutConfig | None = None) -> None:
        self._config = config or FanoutConfig()
        parts = [part for kind in self._config.kinds for part in kind.split("+")]
        names = tuple(dict.fromkeys((*parts, *CONTRIBUTOR_DIMENSIONS, "environment")))
        plain = tuple(name for name in names if not name.startswith(TAG_PREFIX))
        tags = tuple(name for name in names if name.startswith(TAG_PREFIX))
        self.fields: tuple[str, ...] = plain + tags
        self._plain: Callable[[Usage], Dimensions] = attrgetter(*plain)
        self._tags = tuple(name.removeprefix(TAG_PREFIX) for name in tags)
        place = {name: index for index, name in enumerate(self.fields)}
        self._environment = place["environment"]
        self._default_names = {}
        if "organization" in place:
            self._default_names[place["organization"]] = self._config.default_organization
        self._kinds = [
            (kind, tuple(place[part] for part in kind.split("+"))) for kind in self._config.kinds
        ]
        self._contributors = [(name, place[name]) for name in CONTRIBUTOR_DIMENSIONS]
        self.scopes_of: Callable[[Dimensions], tuple[str, ...]] = lru_cache(SCOPES_CACHED)(
            self._scopes_of
        )

    def dimensions(self, usage: Usage) -> Dimensions:
        """What tells the event's scopes apart: equal dimensions have equal scopes."""
        dimensions = self._plain(usage)
        if self._tags:
            dimensions += tuple([usage.tags.get(tag, "") for tag in self._tags])
        return dimensions

    def contributor_names(self, many: list[Dimensions]) -> dict[str, list[str]]:
        """Per contributor dimension, who it is in each of many dimensions; empty where absent."""
        return {
            name: [dimensions[place] for dimensions in many] for name, place in self._contributors
        }

    def _scopes_of(self, dimensions: Dimensions) -> tuple[str, ...]:
        """A kind of which a part is absent has no scope. Called through a bounded cache."""
        canary = canary_scope(self.fields, dimensions)
        if canary is not None:
            return (canary,)
        scopes = []
        for kind, places in self._kinds:
            names = [dimensions[place] or self._default_names.get(place, "") for place in places]
            if not all(names):
                continue
            name = names[0] if len(names) == 1 else combine_names(names)
            if name == OTHER:
                name = f"{OTHER}_"  # a producer may not hide in what is counted and never judged
            scopes.append(str(Scope(kind, name, dimensions[self._environment])))
        return tuple(scopes)


def own_dimensions(kind: str) -> frozenset[str]:
    """The dimensions a scope's kind fixes already, so that they name no contributor to it."""
    return frozenset(kind.split("+"))


def delta_partition(scope: str, partitions: int) -> int:
    """The partition of ``spend.deltas`` that owns a scope: the same in every process, for ever.

    >>> delta_partition("agent:invoice-bot", 16)
    13
    """
    return zlib.crc32(scope.encode()) % partitions
