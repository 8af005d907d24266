"""One cause is one incident also where nobody leads a coarser scope by half; two stay two."""

import pytest

from alerting.alert import Alert, Transition
from alerting.decide.attach import spokesman
from detectors.scope import Scope
from tests.support.decisions import START, Office, agent_signal, drivers, key_signal, signal

ORG = Scope("organization", "acme")
UPDATED = Transition.UPDATED
Parts = list[tuple[str, float, float]]


def led(a: float, *others: float) -> Parts:
    """Agents by their share of $100 of excess; what is left is the rest's."""
    shares = dict(zip("abcdefgh", (a, *others), strict=False))
    parts = [(name, share, share + 1) for name, share in shares.items()]
    rest = 100 - sum(shares.values())
    return [*parts, ("__other__", rest, rest)]


def org(parts: Parts, transition: Transition = Transition.FIRED, **more: object) -> Alert:
    settings: dict[str, object] = {"observed": 1100.0, "expected": 1000.0, "upper": 1010.0} | more
    return signal(ORG, transition, drivers=drivers(agent=parts), **settings)  # type: ignore[arg-type] # tests' own


def agent(name: str, excess: float, **more: object) -> Alert:
    return agent_signal(name, f"key-{name}", excess, **more)


def incident_of(office: Office, scope: str) -> str:
    return next(
        alert.incident_id
        for alert in reversed(office.alerts)
        if str(alert.scope) == scope and alert.merged_into is None
    )


def count(office: Office) -> int:
    return len({incident_of(office, str(alert.scope)) for alert in office.alerts})


@pytest.mark.parametrize("share", [49, 40])
def test_an_organization_that_an_agent_leads_by_less_than_half_is_no_second_incident(share: int):
    office = Office().tell(agent("a", share), org(led(share, 5, 4)))
    assert count(office) == 1
    assert office.alerts[-1].annotations["incident_scope"] == "agent:a"


def test_nor_if_the_organization_is_heard_of_first():
    office = Office().tell(org(led(49, 5, 4)), agent("a", 49, started=START + 60))
    assert count(office) == 1
    assert [alert.merged_into for alert in office.alerts] == [None, None]
    assert office.alerts[-1].annotations["incident_scope"] == "agent:a"


def test_it_joins_later_when_more_is_known():
    office = Office().tell(org([]), agent("a", 49))
    assert count(office) == 2
    office.tell(org(led(49), UPDATED, minutes=5))
    assert count(office) == 1


def test_two_causes_stay_two_incidents_and_the_organization_joins_the_larger():
    office = Office().tell(agent("a", 49), agent("b", 45), org(led(49, 45)))
    assert count(office) == 2
    assert incident_of(office, str(ORG)) == incident_of(office, "agent:a")
    office.tell(org(led(45, 49), UPDATED, minutes=5))
    assert count(office) == 2
    assert incident_of(office, str(ORG)) == incident_of(office, "agent:a")


def test_of_two_that_rise_one_that_fires_does_not_speak_for_both():
    office = Office().tell(agent("a", 49), org(led(49, 45)))
    assert count(office) == 2


@pytest.mark.parametrize("parts", [led(30, 2, 2), led(20, 18, 17, 15), led(39)])
def test_what_rises_as_a_whole_is_its_own_incident(parts: Parts):
    office = Office().tell(agent("a", parts[0][1]), org(parts))
    assert count(office) == 2


def test_what_the_band_would_have_taken_for_usual_needs_nobody_to_explain_it():
    parts = led(30, 28)
    wide = org(parts, upper=1030.0)
    office = Office().tell(agent("a", 30), agent("b", 28), wide)
    assert count(office) == 2
    office = Office().tell(agent("a", 30), agent("b", 28), org(parts))
    assert count(office) == 3


def test_many_small_ones_do_not_speak():
    shares = [(name, 20.0) for name in "abcde"]
    office = Office().tell(*(agent(name, share) for name, share in shares))
    office.tell(org(led(*(share for _, share in shares))))
    assert count(office) == 6


def test_far_apart_in_time_is_not_together():
    office = Office().tell(agent("a", 49), org(led(49), started=START + 3601))
    assert count(office) == 2


def test_a_narrower_scope_never_belongs_to_a_coarser_one():
    parts = drivers(api_key=[("key-7", 49, 50), ("__other__", 51, 51)])
    narrower = signal(Scope("agent", "a"), excess=100.0, drivers=parts)
    office = Office().tell(key_signal(agent="x"), narrower)
    assert count(office) == 2


def test_a_key_speaks_where_agents_are_not_named():
    parts = drivers(api_key=[("key-7", 49, 50), ("__other__", 51, 51)])
    office = Office().tell(key_signal(agent="x"), org([]))
    office.tell(
        signal(
            ORG, UPDATED, minutes=5, observed=1100.0, expected=1000.0, upper=1010.0, drivers=parts
        )
    )
    assert count(office) == 1


def test_what_saved_money_needs_no_spokesman():
    saved = org(led(49), observed=900.0)
    assert spokesman(saved, {"agent:a": agent("a", 49)}) is None


def test_a_budget_speaks_for_nobody():
    office = Office().tell(agent("a", 49, rule="monthly/reached", kind="budget"), org(led(49)))
    assert count(office) == 2
    office.tell(signal(ORG, rule="monthly/reached", kind="budget"))
    assert count(office) == 2
