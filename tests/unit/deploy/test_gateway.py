"""The stand-in gateway: it obeys the throttle state and reports what its calls used."""

import json

import pytest
from aiohttp.test_utils import TestClient, TestServer

from deploy.demo.gateway import Gateway, make_app, request_of
from spendwatch_client import ThrottleState, key_id
from stream.simulation.events import Plan, simulate

NOW = 1_790_000_000.0
URL = "/v1/chat/completions"


@pytest.fixture
def state():
    return ThrottleState()


@pytest.fixture
def published():
    return []


@pytest.fixture
async def client(state, published):
    gateway = Gateway(state, published.append, latency_seconds=0.0, clock=lambda: NOW)
    async with TestClient(TestServer(make_app(gateway))) as found:
        yield found


def throttle(state, mode, name="key-7", kind="api_key", **changes):
    action = {
        "action_id": "a-1",
        "target": {"kind": kind, "name": name, "environment": "default"},
        "mode": mode,
        "admit_ratio": 0.0,
        "reason": "170 times its usual",
        "expires_at": "2030-01-01T00:00:00Z",
        "on_lapse": "admit",
        "sequence": 1,
    }
    assert state.apply_action(None, json.dumps(action | changes).encode()).lease is not None


def call(client, **headers):
    usual = {"authorization": "Bearer key-7", "x-agent": "invoice-bot", "x-request-id": "c-1"}
    body = {"model": "gpt-4o", "messages": [{"content": "x" * 400}], "max_tokens": 50}
    return client.post(URL, json=body, headers=usual | headers)


async def test_an_admitted_call_is_answered_and_its_usage_published(client, published):
    async with call(client, **{"x-team": "payments", "x-prompt-version": "v4"}) as answer:
        assert answer.status == 200
        body = await answer.json()
    assert body["id"] == "c-1"
    assert body["usage"] == {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    assert published == [
        {
            "event_id": "c-1",
            "timestamp": NOW,
            "model": "gpt-4o",
            "api_key": "key-7",
            "agent": "invoice-bot",
            "team": "payments",
            "prompt_version": "v4",
            "input_tokens": 100,
            "output_tokens": 50,
            "cache_read_tokens": 0,
            "latency_ms": 0.0,
            "trace_url": "https://traces.example/calls/c-1",
        }
    ]


@pytest.mark.parametrize(
    ("mode", "status"), [("block", 403), ("require_approval", 403), ("throttle", 429)]
)
async def test_a_refused_call_costs_nothing_and_says_why(client, state, published, mode, status):
    throttle(state, mode)
    async with call(client) as answer:
        assert answer.status == status
        assert answer.headers["retry-after"] == "60"
        assert answer.headers["x-throttle-action"] == "a-1"
        error = (await answer.json())["error"]
    assert error == {"message": "170 times its usual", "type": "throttled", "code": mode}
    assert published == []
    async with client.get("/tallies") as answer:
        tally = (await answer.json())["agents"]["invoice-bot"]
    assert tally == {
        "admitted": 0,
        "refused": 1,
        "first_refused_at": NOW,
        "last_refusal": "170 times its usual",
    }


async def test_other_keys_and_agents_go_on(client, state):
    throttle(state, "block")
    async with call(client, authorization="Bearer key-8") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("kind", "name"),
    [("agent", "invoice-bot"), ("run", "r-1"), ("team", "payments"), ("model", "gpt-4o")],
)
async def test_narrower_targets_are_matched_too(client, state, kind, name):
    throttle(state, "block", name=name, kind=kind)
    async with call(client, **{"x-run-id": "r-1", "x-team": "payments"}) as answer:
        assert answer.status == 403


async def test_a_live_key_is_published_as_its_hash_and_found_by_it(client, state, published):
    async with call(client, authorization="Bearer sk-live-0123456789") as answer:
        assert answer.status == 200
    assert published[0]["api_key"] == key_id("sk-live-0123456789")
    throttle(state, "block", name=published[0]["api_key"])
    async with call(client, authorization="Bearer sk-live-0123456789") as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"model": "m"}',
        '{"model":"m","messages":[1]}',
        '{"model":"m","mock_usage":7}',
    ],
)
async def test_what_is_not_a_request_is_refused_as_such(client, published, body):
    headers = {"authorization": "Bearer key-7", "content-type": "application/json"}
    async with client.post(URL, data=body, headers=headers) as answer:
        assert answer.status == 400
    assert published == []


async def test_a_call_without_a_key_is_refused(client):
    async with client.post(URL, json={"model": "m", "messages": []}) as answer:
        assert answer.status == 401


async def test_a_simulated_event_comes_out_of_the_gateway_as_it_went_in(client, published):
    same = ("event_id", "agent", "workflow", "api_key", "team", "model", "run_id", "step")
    events = [event for event in simulate(Plan(0.0, 1.0, agents=2)) if "cost_usd" in event][:20]
    for event in events:
        async with client.post(URL, **request_of(event)) as answer:
            assert answer.status == 200
    for event, out in zip(events, published, strict=True):
        assert {name: event[name] for name in same} == {name: out[name] for name in same}
        assert out["input_tokens"] == event["input_tokens"]
        assert out["output_tokens"] == event["output_tokens"]
        assert out["cache_read_tokens"] == event.get("cache_read_tokens", 0)
