"""One state per target out of everybody's wishes."""

from alerting.throttle.action import Mode, OnLapse
from alerting.throttle.merge import Wish, hardness, strictest


def wish(mode: Mode, admit_ratio: float = 0.0, incident_id: str = "i") -> Wish:
    return Wish(
        mode=mode,
        admit_ratio=admit_ratio,
        reason="",
        alert_ids=(),
        incident_id=incident_id,
        policy="automatic",
        innocent_share=0.0,
        innocent_usd_per_hour="0",
        decided_at=0,
        on_lapse=OnLapse.ADMIT,
    )


def test_the_strictest_wins_and_answers_all_alerts():
    rising = [
        wish(Mode.RELEASE, 1.0),
        wish(Mode.THROTTLE, 0.5),
        wish(Mode.THROTTLE, 0.1),
        wish(Mode.REQUIRE_APPROVAL),
        wish(Mode.BLOCK),
    ]
    mixed = [rising[index] for index in (3, 0, 4, 2, 1)]
    assert sorted(mixed, key=lambda one: hardness(one.mode, one.admit_ratio)) == rising
    for count in range(1, 6):
        found = strictest(rising[:count][::-1], ("a", "b"))
        assert (found.mode, found.admit_ratio) == (
            rising[count - 1].mode,
            rising[count - 1].admit_ratio,
        )
        assert found.alert_ids == ("a", "b")


def test_of_equals_the_first_wins_and_of_none_nobody():
    assert strictest([wish(Mode.BLOCK), wish(Mode.BLOCK, incident_id="j")], ()).incident_id == "i"
    assert strictest([], ()) is None
