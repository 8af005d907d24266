"""What kind of excess, and who came shortly before: of one scope in virtual time."""

from collections.abc import Mapping

import pytest

from alerting.alert import Alert, Transition
from detectors.observation import COUNTER_INDEX
from tests.support.timeline import MONDAY, Timeline

NOON = MONDAY + 12 * 3600
PROMPT = "prompt_version"
USUAL = {"input_tokens": 10_000, "output_tokens": 1_000, "cache_read_tokens": 5_000}
"""Of a minute with ten requests for $0.07."""


class Desk(Timeline):
    """A scope whose rows name tokens and a prompt version."""

    def minute(
        self, at: int, usd: float, *, times: int = 1, names: Mapping[str, str], **counters: int
    ) -> list[Alert]:
        """One row; ``times`` the usual requests and tokens, or as said."""
        counts = {name: times * count for name, count in USUAL.items()} | counters
        return self.spend(
            at,
            usd,
            requests=10 * times,
            contributors=[(dimension, name, usd) for dimension, name in names.items()],
            more={COUNTER_INDEX[name]: count for name, count in counts.items()},
        )

    def calm(self, since: int, until: int, **names: str) -> "Desk":
        for at in range(since, until, 60):
            self.minute(at, 0.07, names={PROMPT: "v13", **names})
        return self

    def burst(
        self,
        at: int,
        usd: float = 70.0,
        *,
        times: int = 1000,
        names: Mapping[str, str],
        **counters: int,
    ) -> None:
        """One row, and then the end of its window."""
        self.minute(at, usd, times=times, names=names, **counters)
        self.reach(at - at % 300 + 300)

    @property
    def last(self) -> Alert:
        return self.alerts[-1]


def kinds(alert: Alert) -> dict[str, float]:
    """Shares of the excess; they add up to it."""
    assert alert.decomposition is not None
    assert alert.decomposition.total_nanousd == alert.excess_nanousd
    return {
        kind: round(part / alert.excess_nanousd, 2)
        for kind, part in alert.decomposition.by_kind.items()
        if part
    }


def changes(alert: Alert) -> dict[str, int]:
    assert alert.changes is not None
    return {change.scope: change.first_seen_at for change in alert.changes}


def test_more_calls_by_a_new_prompt_are_told_as_that_from_the_first_word_on() -> None:
    desk = Desk().calm(MONDAY, NOON + 60)
    fired = desk.minute(NOON + 60, 70.0, times=1000, names={PROMPT: "v14"})
    assert [alert.transition for alert in fired] == [Transition.FIRED]
    assert kinds(desk.last) == {"volume": 1.0}
    assert changes(desk.last) == {"prompt_version:v14": NOON}
    assert desk.last.annotations["description"].endswith(
        "100 % from more requests of the same size, on prompt v14, first seen 12:00 UTC"
    )
    desk.reach(NOON + 300)
    assert desk.last.transition is Transition.UPDATED
    assert kinds(desk.last) == {"volume": 1.0}
    assert changes(desk.last) == {"prompt_version:v14": NOON}


def test_what_came_a_while_before_is_told_and_what_came_long_before_is_not() -> None:
    for before, told in ((1800, {"prompt_version:v14": NOON - 1800}), (2100, {})):
        desk = Desk().calm(MONDAY, NOON - before).calm(NOON - before, NOON, prompt_version="v14")
        desk.burst(NOON, names={PROMPT: "v14"})
        assert changes(desk.last) == told


def test_what_came_after_the_onset_is_no_cause() -> None:
    desk = Desk().calm(MONDAY, NOON)
    for minute in range(10):
        name = "v13" if minute < 5 else "v14"
        desk.minute(NOON + 60 * minute, 70.0, times=1000, names={PROMPT: name})
    desk.reach(NOON + 600)
    assert desk.last.window.start_seconds == NOON + 300
    assert changes(desk.last) == {}


def test_who_came_in_an_incident_is_not_new_in_the_next_one() -> None:
    desk = Desk().calm(MONDAY, NOON)
    desk.burst(NOON, names={PROMPT: "v14"})
    desk.calm(NOON + 300, NOON + 3600)
    desk.burst(NOON + 3600, names={PROMPT: "v14"})
    assert [alert.transition for alert in desk.of(Transition.FIRED)] == [Transition.FIRED] * 2
    assert desk.last.started_at == NOON + 3600
    assert changes(desk.last) == {}


def test_who_explains_next_to_nothing_is_no_change() -> None:
    desk = Desk().calm(MONDAY, NOON)
    desk.minute(NOON, 0.5, times=7, names={PROMPT: "v14"})
    desk.minute(NOON + 60, 70.0, times=1000, names={PROMPT: "v13"})
    assert changes(desk.last) == {}


def test_of_a_new_scope_only_that_is_said() -> None:
    desk = Desk().calm(NOON - 900, NOON)
    desk.burst(NOON, 700.0, names={PROMPT: "v14"})
    assert changes(desk.last) == {"agent:invoice-bot": NOON - 900}


def test_while_a_scope_settles_nothing_is_called_new() -> None:
    desk = Desk().calm(NOON - 3600, NOON)
    desk.burst(NOON, 700.0, names={PROMPT: "v14"})
    assert desk.last.changes is None
    assert "first seen" not in desk.last.annotations["description"]


def test_an_alert_about_its_own_dimension_does_not_name_itself() -> None:
    desk = Desk().calm(MONDAY, NOON)
    desk.burst(NOON, names={"agent": "other-bot", "model": "m"})
    assert changes(desk.last) == {"model:m": NOON}


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (
            {
                "input_tokens": 10_000_000,
                "output_tokens": 1_000_000,
                "cache_read_tokens": 5_000_000,
            },
            "size",
        ),
        ({}, "price"),
    ],
)
def test_each_kind_is_found(seen: dict[str, int], kind: str) -> None:
    desk = Desk().calm(MONDAY, NOON)
    desk.burst(NOON, times=1, names={PROMPT: "v13"}, **seen)
    shares = kinds(desk.last)
    assert max(shares, key=lambda each: shares[each]) == kind


def test_the_kinds_of_an_episode_are_of_all_its_windows_and_add_up() -> None:
    desk = Desk().calm(MONDAY, NOON)
    for window in range(4):
        usd, times = (7.0, 100) if window != 2 else (0.35, 5)
        desk.minute(NOON + 300 * window, usd, times=times, names={PROMPT: "v13"})
    desk.reach(NOON + 1200)
    assert desk.last.transition is Transition.UPDATED
    assert kinds(desk.last) == {"volume": 1.0}
    desk.calm(NOON + 1200, NOON + 3600)
    assert desk.last.transition is Transition.RESOLVED
    assert kinds(desk.last) == {"volume": 1.0}


def test_a_restart_in_the_middle_changes_nothing_of_it() -> None:
    told = []
    for restarts in (False, True):
        desk = Desk().calm(MONDAY, NOON)
        for window in range(4):
            if restarts:
                live = desk.watch.live_snapshot(desk.state)
                profile = desk.watch.profile_snapshot(desk.state)
                desk.state = desk.watch.restore(desk.scope, live, profile)
            usd, times = (7.0, 100) if window != 2 else (0.35, 5)
            desk.minute(NOON + 300 * window, usd, times=times, names={PROMPT: f"v{window}"})
        desk.reach(NOON + 1200)
        told.append([(each.decomposition, each.changes) for each in desk.alerts])
    assert told[0] == told[1]
