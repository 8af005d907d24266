"""How many scopes a worker keeps: state is bounded by names, never by events."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many names of a kind one delta partition takes before ``__other__`` takes the rest."""

    default: int
    per_kind: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> int:
        """The bound of a kind."""
        return self.per_kind.get(kind, self.default)
