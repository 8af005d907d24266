"""A backtest against what really went wrong: what was found, what it cost, what was a false alarm.

An incident is explained by a label in whose time it is first told and one of whose scopes it is
about. Told, not begun: the hours that a ratio or a drift is judged over begin before what is wrong.
Nothing is printed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream.replay.labels import Label
from stream.replay.summary import BacktestSummary, IncidentSummary

BEFORE_SECONDS = 600
"""An incident may be told so long before its label: a label is as exact as whoever wrote it."""

AFTER_SECONDS = 3_600
"""And so long after its end: what is left of it is no other cause."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one label.

    Attributes:
        label: what really happened.
        incidents: those that it explains, in the order of their beginning; empty: missed.
    """

    label: Label
    incidents: Sequence[IncidentSummary]

    @property
    def told_after_seconds(self) -> int | None:
        """From its beginning to the first alert; None if it was missed."""
        told = [each.told_at for each in self.incidents]
        return max(0, min(told) - self.label.start) if told else None

    @property
    def cost_nanousd(self) -> int:
        """What leaked; 0 of what was missed, since nobody measured that."""
        return sum(each.cost_nanousd for each in self.incidents)

    @property
    def is_paged(self) -> bool:
        """Whether somebody was paged."""
        return any(each.is_page for each in self.incidents)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A summary held against labels.

    Attributes:
        found: what became of each label.
        label_of: the label of each incident that one explains, by incident id.
        unexplained: the incidents that none explains.
    """

    found: Sequence[Found]
    label_of: Mapping[str, Label]
    unexplained: Sequence[IncidentSummary]

    @property
    def false_pages(self) -> int:
        """How often somebody was paged for nothing."""
        return sum(each.is_page for each in self.unexplained)


def hold_against(summary: BacktestSummary, labels: Sequence[Label]) -> Verdict:
    """Find the label that explains each incident: of several, the one that began last."""
    label_of: dict[str, Label] = {}
    of_label: dict[Label, list[IncidentSummary]] = {label: [] for label in labels}
    for incident in summary.incidents:
        fitting = [label for label in labels if _explains(label, incident)]
        if fitting:
            label = max(fitting, key=lambda each: each.start)
            label_of[incident.incident_id] = label
            of_label[label].append(incident)
    return Verdict(
        found=[Found(label, of_label[label]) for label in labels],
        label_of=label_of,
        unexplained=[each for each in summary.incidents if each.incident_id not in label_of],
    )


def _explains(label: Label, incident: IncidentSummary) -> bool:
    is_then = (
        label.start - BEFORE_SECONDS <= incident.told_at <= label.end + AFTER_SECONDS
        and incident.ended_at >= label.start
    )
    return is_then and label.means(incident.scopes)
