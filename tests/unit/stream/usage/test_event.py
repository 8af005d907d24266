"""The contract of a usage event, field by field."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from stream.usage.event import UsageEvent
from stream.usage.usage import Usage

CALL = {"event_id": "1", "timestamp": 1_700_000_000, "model": "gpt-4o"}


def read(**fields: object) -> Usage:
    return UsageEvent.model_validate(CALL | fields).to_usage()


def reasons(**fields: object) -> set[str]:
    with pytest.raises(ValidationError) as refused:
        UsageEvent.model_validate(CALL | fields)
    return {problem["type"] for problem in refused.value.errors()}


def test_a_call_needs_an_id_a_time_and_a_model():
    for missing in ("event_id", "timestamp", "model"):
        sent = {name: content for name, content in CALL.items() if name != missing}
        with pytest.raises(ValidationError):
            UsageEvent.model_validate(sent)
    assert read() == Usage("1", 1_700_000_000, model="gpt-4o")


def test_an_outcome_needs_no_model_but_an_outcome():
    sent = {"record": "outcome", "event_id": "1", "timestamp": 1_700_000_000, "outcome": "edited"}
    usage = UsageEvent.model_validate(sent).to_usage()
    assert (usage.record, usage.outcome, usage.model) == ("outcome", "edited", "")
    assert reasons(record="outcome") == {"missing_field"}


def test_the_id_is_read_from_its_other_names_in_order():
    sent = {"timestamp": 1_700_000_000, "model": "m"}
    assert UsageEvent.model_validate(sent | {"request_id": "r", "id": "i"}).event_id == "r"
    assert UsageEvent.model_validate(sent | {"request_id": " ", "id": "i"}).event_id == "i"
    assert read(request_id=5, id=None).event_id == "1"


def test_a_blank_string_is_absent():
    assert read(agent="  ", status="", environment="").environment == "default"
    assert reasons(model=" ") == {"missing_field"}
    assert reasons(event_id="") == {"missing"}
    assert reasons(timestamp="") == {"missing_field"}


def test_null_is_absent():
    assert read(agent=None, input_tokens=None, tags=None, cost_usd=None) == read()


def test_control_characters_are_replaced_in_names_and_refused_in_ids():
    assert read(agent="a\nb").agent == "a\ufffdb"
    assert reasons(event_id="a\nb") == {"out_of_bounds"}


@pytest.mark.parametrize(
    "sent",
    [
        {"input_tokens": 10, "cache_read_tokens": 6, "cache_write_tokens": 5},
        {"input_tokens": 10, "audio_input_tokens": 6, "image_input_tokens": 5},
        {"output_tokens": 10, "reasoning_tokens": 11},
        {"output_tokens": 10, "audio_output_tokens": 11},
        {"input_tokens": 10, "cache_write_tokens": 1, "cache_write_1h_tokens": 2},
        {"cache_read_tokens": 1},
        {"total_tokens": 10, "reasoning_tokens": 1},
    ],
)
def test_a_subset_above_its_whole_is_refused(sent):
    assert reasons(**sent) == {"inconsistent_counts"}


def test_a_subset_as_large_as_its_whole_is_accepted():
    usage = read(input_tokens=10, cache_read_tokens=6, cache_write_tokens=4)
    assert (usage.input_tokens, usage.cache_read_tokens) == (10, 6)


def test_a_total_counts_only_when_it_stands_alone():
    alone = read(total_tokens=100)
    assert (alone.input_tokens, alone.output_tokens, alone.is_total_only) == (100, 0, True)
    beside = read(total_tokens=100, input_tokens=60)
    assert (beside.input_tokens, beside.output_tokens, beside.is_total_only) == (60, 0, False)


def test_usage_that_is_absent_is_not_usage_of_zero():
    assert not read().has_usage
    assert read(output_tokens=0).has_usage
    assert read(billable_units={"image": 1}).has_usage


def test_cost_is_read_as_written():
    assert read(cost_usd=Decimal("0.1234567890123456789")).reported_nanousd == 123_456_789
    assert read(cost_usd=0.1).reported_nanousd == 100_000_000
    assert read(cost_usd="0").reported_nanousd == 0
    assert read().reported_nanousd is None


@pytest.mark.parametrize(
    ("field", "bad", "reason"),
    [
        ("cost_usd", "1_0", "wrong_type"),
        ("cost_usd", "1e400", "out_of_bounds"),
        ("cost_usd", "NaN", "wrong_type"),
        ("cost_usd", -1, "out_of_bounds"),
        ("cost_usd", True, "wrong_type"),
        ("cost_usd", "", "wrong_type"),
        ("cost_usd", 100_000.01, "out_of_bounds"),
        ("input_tokens", -1, "greater_than_equal"),
        ("input_tokens", 10**30, "less_than_equal"),
        ("input_tokens", 1.5, "int_type"),
        ("input_tokens", True, "int_type"),
        ("input_tokens", "12", "int_type"),
        ("requests", 0, "greater_than_equal"),
        ("requests", 10**9 + 1, "less_than_equal"),
        ("retries", 10**6 + 1, "less_than_equal"),
        ("timestamp", True, "wrong_type"),
        ("timestamp", [], "wrong_type"),
        ("agent", "x" * 257, "string_too_long"),
        ("agent", 5, "string_type"),
        ("event_id", "x" * 201, "string_too_long"),
        ("api_key", "name " * 60, "out_of_bounds"),
        ("trace_url", "x" * 2049, "string_too_long"),
        ("status", "fine", "enum"),
        ("cache_hit", 1, "bool_type"),
        ("latency_ms", -0.1, "greater_than_equal"),
        ("tags", {str(n): "x" for n in range(33)}, "out_of_bounds"),
        ("tags", {"k" * 65: "x"}, "string_too_long"),
        ("tags", {"k": "x" * 257}, "string_too_long"),
        ("tags", ["k"], "dict_type"),
        ("billable_units", {"image": -1}, "out_of_bounds"),
        ("billable_units", {"image": "1"}, "wrong_type"),
        ("billable_units", {"image": 10**9 + 1}, "out_of_bounds"),
        ("billable_units", {str(n): 1 for n in range(17)}, "too_long"),
    ],
)
def test_what_is_out_of_the_contract_is_refused(field, bad, reason):
    assert reasons(**{field: bad}) == {reason}


def test_bounds_themselves_are_accepted():
    usage = read(
        event_id="x" * 200,
        input_tokens=10**12,
        requests=10**9,
        retries=10**6,
        agent="x" * 256,
        cost_usd="100000",
        tags={str(n): "x" * 256 for n in range(32)},
    )
    assert (usage.input_tokens, usage.requests, len(usage.tags)) == (10**12, 10**9, 32)


def test_a_live_secret_becomes_its_hash_however_it_is_wrapped():
    secret = "sk-proj-4eC39HqLyjWDarjtT1zdp7dc"
    named = read(api_key=secret).api_key
    assert named.startswith("sha256:")
    assert read(api_key=f"Bearer {secret}").api_key == named
    assert secret not in read(api_key=f"Bearer\n{secret}").api_key
    assert read(api_key="eyJhbGciOiJIUzI1NiJ9." + "x" * 4000).api_key.startswith("sha256:")
    assert read(api_key="key-7").api_key == "key-7"


def test_blank_tags_are_absent_and_unsafe_ones_are_cleaned():
    assert read(tags={"a": "", " ": "x", "b": None, "c": "x\x00"}).tags == {"c": "x\ufffd"}


def test_a_refusal_never_repeats_what_was_sent():
    with pytest.raises(ValidationError) as refused:
        UsageEvent.model_validate(CALL | {"input_tokens": "my secret prompt"})
    assert "my secret prompt" not in str(refused.value)
