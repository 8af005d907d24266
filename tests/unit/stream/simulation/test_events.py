"""The simulator repeats itself, keeps its organization's habits, and breaks only what it should."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import pairwise

import pytest
from genai_prices import Usage, calc_price

from stream.simulation.events import Plan, arrivals, simulate
from stream.simulation.incident import EPISODES, INCIDENTS, Incident, make_episodes
from stream.simulation.organization import PREMIUM, PRICES, make_organization

MONDAY = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
HOUR = 3600.0
DAY = 24 * HOUR


def seconds(event):
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def usd(events):
    return sum(Decimal(event.get("cost_usd", 0)) for event in events)


def incident(name, **changes):
    return Incident(**({"name": name, "agent": 0, "at": MONDAY + 34 * HOUR} | changes))


@cache
def usual_events(days):
    return {event["event_id"]: event for event in simulate(Plan(MONDAY, days, agents=6))}


def changed_by(name, *, days=3.0, **changes):
    """The usual events that an incident takes away, and those that it adds."""
    usual = usual_events(days)
    wrong = {
        event["event_id"]: event
        for event in simulate(Plan(MONDAY, days, agents=6, incidents=(incident(name, **changes),)))
    }
    assert all(usual[name] == wrong[name] for name in usual.keys() & wrong.keys())
    gone = [event for name, event in usual.items() if name not in wrong]
    return gone, [event for name, event in wrong.items() if name not in usual]


def test_the_same_plan_gives_the_same_events():
    plan = Plan(MONDAY, 2.0, agents=5, late_share=0.1, repeat_share=0.1)
    assert list(simulate(plan)) == list(simulate(plan))
    assert list(simulate(plan)) != list(simulate(Plan(MONDAY, 2.0, agents=5, seed=8)))


def test_events_come_in_order_of_time_with_ids_of_their_own():
    events = list(simulate(Plan(MONDAY + 1234.5, 2.5, agents=8)))
    times = [seconds(event) for event in events]
    assert times == sorted(times)
    assert times[0] >= MONDAY + 1234.5
    assert times[-1] < MONDAY + 1234.5 + 2.5 * DAY
    assert len({event["event_id"] for event in events}) == len(events)


def test_a_later_start_gives_the_same_events_from_there_on():
    whole = list(simulate(Plan(MONDAY, 2.0, agents=4)))
    rest = list(simulate(Plan(MONDAY + DAY / 2, 1.5, agents=4)))
    assert [event for event in whole if seconds(event) >= MONDAY + DAY / 2] == rest


def test_an_agent_does_not_depend_on_how_many_there_are():
    assert make_organization(7, 40)[:5] == make_organization(7, 5)


def test_names_of_agents_are_their_own_and_keys_are_one_or_two_each():
    agents = make_organization(3, 60)
    assert len({agent.name for agent in agents}) == 60
    assert {len(agent.api_keys) for agent in agents} == {1, 2}


def test_the_first_agent_spends_a_hundred_dollars_a_day_at_five_cents_a_call():
    events = [
        event for event in simulate(Plan(MONDAY, 14.0, agents=3)) if event["agent"] == "invoice-bot"
    ]
    assert float(usd(events)) / 14 == pytest.approx(100, rel=0.05)
    assert float(usd(events)) / len(events) == pytest.approx(0.05, rel=0.05)


def test_an_office_agent_works_by_day_and_rests_at_the_weekend():
    events = simulate(Plan(MONDAY, 7.0, agents=1))
    hours = Counter(int((seconds(event) - MONDAY) // HOUR) for event in events)
    noon_on_tuesday, night, noon_on_sunday = hours[24 + 11], hours[24 + 3], hours[6 * 24 + 11]
    assert noon_on_tuesday > 10 * night
    assert noon_on_tuesday > 5 * noon_on_sunday


@pytest.mark.parametrize("price", [*PRICES, PREMIUM], ids=lambda price: price.model)
def test_prices_are_those_that_spendwatch_computes(price):
    found = calc_price(
        Usage(input_tokens=100_000, cache_read_tokens=40_000, output_tokens=5_000),
        model_ref=price.model,
        provider_id=price.provider,
        genai_request_timestamp=datetime(2026, 11, 1, tzinfo=UTC),
    )
    nanousd = (
        60_000 * price.input_nanousd
        + 40_000 * price.cache_read_nanousd
        + 5_000 * price.output_nanousd
    )
    assert found.total_price * 10**9 == nanousd


def test_cost_follows_from_tokens():
    rates = {price.model: price for price in PRICES}
    for event in simulate(Plan(MONDAY, 1.0, agents=10)):
        if "cost_usd" not in event:
            assert event["status"] == "error"
            continue
        price = rates[event["model"]]
        cached = event.get("cache_read_tokens", 0)
        assert Decimal(event["cost_usd"]) * 10**9 == (
            (event["input_tokens"] - cached) * price.input_nanousd
            + cached * price.cache_read_nanousd
            + event["output_tokens"] * price.output_nanousd
        )


def test_runaway_spends_twenty_cents_a_second_instead_of_the_usual():
    gone, added = changed_by("runaway", seconds=2 * HOUR)
    assert float(usd(added)) / (2 * HOUR) == pytest.approx(0.197, rel=0.05)
    assert {event["agent"] for event in gone + added} == {"invoice-bot"}
    (old,), (new,) = ({event["prompt_version"] for event in some} for some in (gone, added))
    assert int(new[1:]) == int(old[1:]) + 1
    begin = MONDAY + 34 * HOUR
    assert all(begin <= seconds(event) < begin + 2 * HOUR for event in gone + added)


def test_loop_is_one_run_of_many_steps():
    gone, added = changed_by("loop")
    assert len({event["run_id"] for event in added}) == 1
    assert len({event["step"] for event in added}) == len(added)
    assert len(added) > 8 * len(gone)


def test_retry_storm_fails_half_the_time_and_tries_five_times_over():
    _, added = changed_by("retry_storm")
    errors = [event for event in added if event.get("status") == "error"]
    assert len(errors) / len(added) == pytest.approx(0.5, abs=0.05)
    assert sum(event.get("retries", 0) for event in added) / len(added) == pytest.approx(5, rel=0.1)
    assert all("cost_usd" not in event for event in errors)


def test_prompt_bloat_makes_the_same_number_of_calls_bigger():
    gone, added = changed_by("prompt_bloat", seconds=8 * HOUR)
    assert len(added) == pytest.approx(len(gone), rel=0.35)
    assert float(usd(added)) > 4 * float(usd(gone))


def test_model_switch_pays_more_for_as_many_tokens():
    gone, added = changed_by("model_switch", seconds=8 * HOUR)
    assert {event["model"] for event in added} == {PREMIUM.model}
    assert float(usd(added)) > 4 * float(usd(gone))
    mean = [
        sum(event.get("input_tokens", 0) for event in some) / len(some) for some in (gone, added)
    ]
    assert mean[1] == pytest.approx(mean[0], rel=0.15)


def test_key_leak_is_a_stranger_on_the_agents_key():
    gone, added = changed_by("key_leak")
    assert gone == []
    assert all("agent" not in event and event["user"] == "unknown" for event in added)
    assert {event["api_key"] for event in added} == {"key-payments-invoice"}


def test_new_agent_adds_an_agent_on_a_key_that_nobody_had():
    gone, added = changed_by("new_agent")
    assert gone == []
    assert {event["agent"] for event in added} == {"invoice-bot-experiment"}
    assert {event["api_key"] for event in added} == {"key-payments-experiment"}


def test_monday_job_runs_every_monday_at_nine_and_sunday_job_once():
    gone, added = changed_by("monday_job", days=22.0)
    assert gone == []
    hours = {int((seconds(event) - MONDAY) // HOUR) for event in added}
    assert hours == {9, 7 * 24 + 9, 14 * 24 + 9, 21 * 24 + 9}
    _, once = changed_by("sunday_job", days=22.0)
    assert {int((seconds(event) - MONDAY) // HOUR) for event in once} == {6 * 24 + 3}
    assert float(usd(once)) == pytest.approx(float(usd(added)) / 4, rel=0.25)


def test_late_and_repeated_events_arrive_out_of_order_and_unchanged():
    plan = Plan(MONDAY, 1.0, agents=10, late_share=0.05, repeat_share=0.03)
    usual = {event["event_id"]: event for event in simulate(Plan(MONDAY, 1.0, agents=10))}
    arrived = list(arrivals(plan))
    times = [arrival.at for arrival in arrived]
    assert times == sorted(times)
    assert all(arrival.event == usual[arrival.event["event_id"]] for arrival in arrived)
    counts = Counter(arrival.event["event_id"] for arrival in arrived)
    assert counts.keys() == usual.keys()
    assert sum(count - 1 for count in counts.values()) / len(usual) == pytest.approx(0.03, rel=0.2)
    first = {}
    for arrival in arrived:
        first.setdefault(arrival.event["event_id"], arrival)
    late = [a for a in first.values() if a.at - seconds(a.event) > 1]
    assert len(late) / len(usual) == pytest.approx(0.05, rel=0.2)
    assert min(a.at - seconds(a.event) for a in late) > 89.9


def test_episodes_are_apart_with_a_quiet_beginning_and_end():
    agents = make_organization(7, 30)
    episodes = make_episodes(12, seed=7, agents=agents, since=MONDAY, until=MONDAY + 14 * DAY)
    assert {episode.name for episode in episodes} == set(EPISODES)
    assert episodes[0].at >= MONDAY + 7 * DAY
    assert episodes[-1].at + episodes[-1].seconds <= MONDAY + 13.5 * DAY
    gaps = [b.at - a.at - a.seconds for a, b in pairwise(episodes)]
    assert min(gaps) >= 3 * HOUR
    for index, episode in enumerate(episodes):
        assert episode.agent not in {other.agent for other in episodes[max(0, index - 4) : index]}
    assert len(list(simulate(Plan(MONDAY, 14.0, incidents=episodes)))) > 100_000


def test_too_many_episodes_are_refused():
    with pytest.raises(ValueError, match=r"do not fit .*: simulate more days"):
        make_episodes(
            100, seed=7, agents=make_organization(7, 3), since=MONDAY, until=MONDAY + 14 * DAY
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"days": 0}, "nothing to simulate"),
        ({"agents": 0}, "at least one"),
        ({"late_share": 1.1}, "late_share"),
        ({"repeat_share": -0.1}, "repeat_share"),
        ({"incidents": (incident("earthquake"),)}, "no incident 'earthquake'"),
        ({"incidents": (incident("loop", agent=30),)}, "agent 30 of 30: they are counted from 0"),
        ({"incidents": (incident("loop", at=MONDAY - 1),)}, "outside"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        simulate(Plan(**({"start": MONDAY} | changes)))


def test_every_incident_can_be_simulated():
    # That answers are rated changes the agent's usual calls; an agent that is off makes none.
    for name in set(INCIDENTS) - {"quality_collapse", "stuck_off"}:
        assert changed_by(name, days=7.0)[1]
