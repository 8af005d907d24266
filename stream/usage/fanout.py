"""From an event to the scopes it is counted against.

Which kinds exist is configuration; how many names a kind may have is WATCH's to enforce, since only
the owner of a delta partition knows them all. This file must not count.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from detectors.scope import KINDS, OTHER, Scope, combine_names
from stream.canary import NAME as CANARY
from stream.canary import canary_scope
from stream.delta import CONTRIBUTOR_DIMENSIONS
from stream.usage.usage import Usage

TAG_PREFIX: Final = "tags."
NAMES_MAX_DEFAULT: Final = 10_000
NAMES_MAX_LARGEST: Final = 10_000_000

_TAG_KIND = re.compile(r"tags\.[^+|:@%\s]{1,64}")

Dimensions = tuple[str, ...]
"""An event's names by ``Fanout.dimensions``."""


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
        plain: the fields of an event that any kind or contributor needs, ``environment`` among
            them.
        tags: the tags that any kind needs.
        kinds: each kind with the places of its parts in an event's dimensions.
        contributors: the places of ``CONTRIBUTOR_DIMENSIONS`` there.
        environment: the place of the environment there.
    """

    def __init__(self, config: FanoutConfig | None = None) -> None:
        self._config = config or FanoutConfig()
        parts = [part for kind in self._config.kinds for part in kind.split("+")]
        names = tuple(dict.fromkeys((*parts, *CONTRIBUTOR_DIMENSIONS, "environment")))
        self.plain = tuple(name for name in names if not name.startswith(TAG_PREFIX))
        tags = tuple(name for name in names if name.startswith(TAG_PREFIX))
        self.tags = tuple(name.removeprefix(TAG_PREFIX) for name in tags)
        self._plain: Callable[[Usage], Dimensions] = attrgetter(*self.plain)
        self._fields = (*self.plain, *tags)
        place = {name: index for index, name in enumerate(self._fields)}
        self._agent = place["agent"]
        self.environment = place["environment"]
        self.kinds = tuple(
            (kind, tuple(place[part] for part in kind.split("+"))) for kind in self._config.kinds
        )
        self.contributors = tuple(place[name] for name in CONTRIBUTOR_DIMENSIONS)

    def dimensions(self, usage: Usage) -> Dimensions:
        """An event's names: of the fields of ``plain``, then of ``tags``, empty where absent."""
        dimensions = self._plain(usage)
        if self.tags:
            dimensions += tuple([usage.tags.get(tag, "") for tag in self.tags])
        return dimensions

    def canary(self, dimensions: Dimensions) -> str | None:
        """The one scope of a canary's names; ``None`` for everybody else's."""
        if dimensions[self._agent] != CANARY:
            return None
        return canary_scope(self._fields, dimensions)

    def scope(self, kind: str, names: Sequence[str], environment: str) -> str:
        """The one-string form of a scope; empty where a part is absent, since there is none then.

        Args:
            kind: one of ``kinds``.
            names: of its parts.
            environment: where the spend is.
        """
        if not all(names):
            default = self._config.default_organization
            names = [
                name or (default if part == "organization" else "")
                for part, name in zip(kind.split("+"), names, strict=True)
            ]
            if not all(names):
                return ""
        name = names[0] if len(names) == 1 else combine_names(list(names))
        if name == OTHER:
            name = f"{OTHER}_"  # a producer may not hide in what is counted and never judged
        return str(Scope(kind, name, environment))


def own_dimensions(kind: str) -> frozenset[str]:
    """The dimensions a scope's kind fixes already, so that they name no contributor to it."""
    return frozenset(kind.split("+"))


def delta_partition(scope: str, partitions: int) -> int:
    """The partition of ``spend.deltas`` that owns a scope: the same in every process, for ever.

    >>> delta_partition("agent:invoice-bot", 16)
    13
    """
    return zlib.crc32(scope.encode()) % partitions
