"""Exemplars of ordinary rows, kept until somebody looks at their scope.

Of a scope's window only the dearest waits, as in its ``Cell``: 200 bytes for each window that has
unsettled rows of calls with a URL, three a scope at most (``tally_columns.WINDOWS``).
"""

from collections.abc import Iterable, Mapping, Sequence

from alerting.exemplar import Exemplar, dearer
from alerting.watch.row_groups import Bools, RowGroups
from alerting.watch.scope_state import ScopeState

GroupExemplar = tuple[int, Exemplar]
"""Of a row of a group: the group's place, and what its row has."""


class ExemplarTally:
    """The dearest of each scope and window that waits."""

    def __init__(self) -> None:
        """None yet."""
        self._waiting: dict[int, dict[int, Exemplar | None]] = {}

    def add(self, groups: RowGroups, exemplars: Sequence[GroupExemplar], judged: Bools) -> None:
        """Keep what is dearer than what waits.

        Args:
            groups: of one delta.
            exemplars: of their rows.
            judged: of which groups they are wanted.
        """
        for place, exemplar in exemplars:
            if judged[place]:
                waiting = self._waiting.setdefault(int(groups.number[place]), {})
                start = int(groups.start[place])
                waiting[start] = dearer(waiting.get(start), exemplar)

    def settle(self, numbers: Iterable[int], states: Mapping[int, ScopeState]) -> None:
        """Let the windows of some scopes have theirs: each is in its state already."""
        for number in self._waiting.keys() & numbers:
            for start, exemplar in self._waiting.pop(number).items():
                states[number].cells[start].show(exemplar)
