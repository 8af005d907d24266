"""A month in which everything goes wrong once, and the labels of it."""

import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from stream.replay.labels import label_to_json, read_labels
from stream.simulation.events import Plan, simulate
from stream.simulation.incident import INCIDENTS, Incident
from stream.simulation.menu import MENU, make_menu
from stream.simulation.organization import make_organization
from stream.simulation.truth import labels_of

MONDAY = 1_767_571_200.0
DAY = 86_400.0
AGENTS = make_organization(7, 60)


def menu(days=30.0, agents=AGENTS):
    return make_menu(seed=7, agents=agents, since=MONDAY, until=MONDAY + days * DAY)


def calls(name, *, agent=0, hours=2.0, days=1.0):
    """The calls of the incident, and the usual ones of its time that it replaces."""
    incident = Incident(name, agent, MONDAY + 3_600 * 9, 3_600 * hours)
    plan = Plan(MONDAY, days, agents=10, incidents=(incident,))
    usual = {event["event_id"]: event for event in simulate(Plan(MONDAY, days, agents=10))}
    wrong = {event["event_id"]: event for event in simulate(plan)}
    added = [event for event_id, event in wrong.items() if event_id not in usual]
    return added, [event for event_id, event in usual.items() if event_id not in wrong]


def tokens(events, key="input_tokens"):
    return sum(event.get(key, 0) for event in events)


def test_each_kind_happens_once_to_an_agent_of_its_own_after_ten_quiet_days():
    incidents = menu()

    assert [each.name for each in incidents] == list(MENU)
    assert set(MENU) <= set(INCIDENTS)
    assert len({each.agent for each in incidents}) == len(MENU) >= 12
    assert min(each.at for each in incidents) >= MONDAY + 10 * DAY
    assert max(each.at + each.seconds for each in incidents) <= MONDAY + 30 * DAY
    (weekend,) = [each for each in incidents if each.name == "weekend_rate"]
    start = datetime.fromtimestamp(weekend.at, UTC)
    assert (start.weekday(), start.hour) == (5, 0)


@pytest.mark.parametrize(
    ("days", "agents", "said"),
    [(20.0, 60, "need 27 days: simulate more"), (30.0, 10, "no agent is left")],
)
def test_what_does_not_fit_is_refused(days, agents, said):
    with pytest.raises(ValueError, match=said):
        menu(days, AGENTS[:agents])


def test_a_session_that_forgets_nothing_reads_more_and_more():
    added, gone = calls("context_growth")
    half = len(added) // 2
    assert len({event["run_id"] for event in added}) == 1
    assert tokens(added[half:]) > 1.5 * tokens(added[:half]) > 3 * tokens(gone)


def test_without_its_cache_an_agent_reads_as_much_and_pays_more():
    agent = next(n for n, each in enumerate(AGENTS[:10]) if each.cached_share)
    added, gone = calls("cache_failure", agent=agent, hours=12.0)
    assert tokens(added, "cache_read_tokens") == 0 < tokens(gone, "cache_read_tokens")
    assert tokens(added) / len(added) == pytest.approx(tokens(gone) / len(gone), rel=0.15)


def test_sub_agents_have_names_of_their_own_on_the_same_keys():
    added, gone = calls("sub_agents", hours=5.0)
    assert gone == []
    assert len({event["agent"] for event in added}) > 100
    assert {event["api_key"] for event in added} <= set(AGENTS[0].api_keys)


def test_an_agent_that_is_off_makes_no_calls():
    added, gone = calls("stuck_off")
    assert added == []
    assert {event["agent"] for event in gone} == {AGENTS[0].name}


def test_a_job_that_starts_again_and_again_comes_on_top():
    added, gone = calls("stuck_cron")
    assert gone == []
    assert sum(float(event.get("cost_usd", 0)) for event in added) == pytest.approx(80, rel=0.3)


def test_a_creep_grows_by_five_percent_a_day():
    added, gone = calls("slow_creep", hours=24.0 * 14, days=15.0)
    day = Counter(event["timestamp"][:10] for event in added)
    usual = Counter(event["timestamp"][:10] for event in gone)
    ratios = [day[each] / usual[each] for each in ("2026-01-06", "2026-01-17")]
    assert ratios[1] / ratios[0] == pytest.approx(1.05**11, rel=0.35)


def test_a_weekend_at_the_pace_of_a_weekday():
    incident = Incident("weekend_rate", 0, MONDAY + 5 * DAY, 2 * DAY)
    usual = sum(e["agent"] == "invoice-bot" for e in simulate(Plan(MONDAY, 7.0, agents=1)))
    busy = sum(
        e["agent"] == "invoice-bot"
        for e in simulate(Plan(MONDAY, 7.0, agents=1, incidents=(incident,)))
    )
    assert busy > 1.25 * usual


def test_people_accept_less_at_equal_spend():
    added, gone = calls("quality_collapse", hours=8.0)
    share = sum(event["outcome"] == "accepted" for event in added) / len(added)
    assert share == pytest.approx(0.3, abs=0.05)
    assert len(added) == pytest.approx(len([e for e in gone if "outcome" not in e]), rel=1.0)


def test_a_price_error_is_everybodys():
    added, gone = calls("price_error", hours=4.0)
    assert {event["agent"] for event in added} == {event["agent"] for event in gone}
    assert tokens(added) == pytest.approx(tokens(gone), rel=0.2)
    cost = [sum(float(e.get("cost_usd", 0)) for e in some) for some in (added, gone)]
    assert cost[0] == pytest.approx(10 * cost[1], rel=0.2)


def test_every_incident_has_a_label_but_a_weekly_job_has_none():
    incidents = [Incident(name, 0, MONDAY + 5, 60.0) for name in INCIDENTS]
    labels = list(labels_of(AGENTS, incidents, until=MONDAY + 30))

    assert {label.name for label in labels} == {n for n in INCIDENTS if not n.endswith("_job")}
    assert {(label.start, label.end) for label in labels} == {(MONDAY + 5, MONDAY + 30)}
    scopes = {label.name: label.scopes for label in labels}
    assert scopes["runaway"] == ("agent:invoice-bot", "api_key:key-payments-invoice")
    assert scopes["key_leak"] == ("api_key:key-payments-invoice",)
    assert scopes["new_agent"][0] == "agent:invoice-bot-experiment"
    assert scopes["price_error"] == ("*:*",)
    assert "agent:invoice-bot-sub-*" in scopes["sub_agents"]


def test_every_label_that_is_written_can_be_read(tmp_path):
    incidents = [Incident(name, 0, MONDAY + 5, 60.0) for name in INCIDENTS]
    labels = list(labels_of(AGENTS, incidents, until=MONDAY + 30))
    path = tmp_path / "truth.jsonl"
    path.write_text("".join(json.dumps(label_to_json(each)) + "\n" for each in labels))

    assert sorted(read_labels(path), key=str) == sorted(labels, key=str)


def test_some_agents_are_quiet_and_the_first_never_is():
    usual = make_organization(7, 200)
    agents = make_organization(7, 200, quiet_share=0.9)
    shares = [a.calls_per_day / b.calls_per_day for a, b in zip(agents, usual, strict=True)]
    assert shares[0] == 1.0
    assert sorted({round(share, 3) for share in shares}) == [0.02, 1.0]
    assert 0.8 < sum(share < 1 for share in shares) / 200 < 0.97


def test_a_pace_makes_all_agents_busier_and_the_same_else():
    (busy,), (usual,) = make_organization(7, 1, pace=3.0), make_organization(7, 1)
    assert busy.calls_per_day == pytest.approx(3 * usual.calls_per_day)
    assert busy.input_tokens == usual.input_tokens
