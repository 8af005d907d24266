"""A target as typed; a live key is never quoted."""

import pytest

from spendwatch_client import key_id
from stream.operator.target import TargetError, target_of

LIVE = "sk-proj-4eC39HqLyjWDarjtT1zdp7dc"


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ("key-7", "api_key:key-7"),
        (" api_key:key-7@staging ", "api_key:key-7@staging"),
        ("agent:invoice-bot", "agent:invoice-bot"),
        ("run:r-1", "run:r-1"),
        ("agent+model:bot|gpt-4o", "agent+model:bot|gpt-4o"),
        ("tags.squad:billing", "tags.squad:billing"),
        ("sha256:" + "a" * 64, "api_key:sha256:" + "a" * 64),
        (LIVE, f"api_key:{key_id(LIVE)}"),
        (f"Bearer {LIVE}", f"api_key:{key_id(LIVE)}"),
        (f"api_key:{LIVE}", f"api_key:{key_id(LIVE)}"),
        (f"api_key:{LIVE}@staging", f"api_key:{key_id(LIVE)}@staging"),
        (f"{LIVE}@staging", f"api_key:{key_id(LIVE)}@staging"),
    ],
)
def test_a_target_is_read_and_a_live_key_becomes_its_id(typed: str, target: str):
    assert str(target_of(typed)) == target


@pytest.mark.parametrize(
    "typed",
    ["agnet:bot", "agent:", "", f"agent:{LIVE}", f"key-7@{LIVE}",
     f"agent+model:bot|{LIVE}", "agent:__other__", "agent+x:a|b"],
)  # fmt: skip
def test_what_names_no_target_is_refused_without_quoting_a_key(typed: str):
    with pytest.raises(TargetError) as refused:
        target_of(typed)
    assert LIVE not in str(refused.value)


def test_configured_kinds_are_known():
    with pytest.raises(TargetError):
        target_of("squad:a")
    assert str(target_of("squad:a", ("squad",))) == "squad:a"
