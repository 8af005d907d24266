"""What becomes a hash, and what stays readable."""

import hashlib
import random
from itertools import pairwise

import pytest

from spendwatch_client import key_id
from spendwatch_client.key import LIVE_CLASS_CHANGE_RATIO, is_live_secret


@pytest.mark.parametrize(
    "secret",
    [
        "sk-1234",
        "sk-proj-Ab3dEf6hIj9kLmN0pQrStUvWxYz",
        "sk-ant-api03-abcdefghijklmnop_qrstuv-xyz",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "gsk_abcdefghijklmnop1234567890",
        "hf_abcdefghijklmnopqrstuvwxyz",
        "xai-abcdefghijklmnop1234567890",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef01234567",
        "Zx81kQp0Lm4Nw7Rt2Yv5Bc8Df1Gh3Jk6",
        "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6",
        "sk-" + chr(0xD800) * 8,
    ],
)
def test_what_looks_like_a_live_secret_becomes_its_hash(secret):
    assert (
        key_id(secret)
        == f"sha256:{hashlib.sha256(secret.encode('utf-8', 'surrogatepass')).hexdigest()}"
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "key-0",
        "task-0123456789abcdef0123",
        "billing-production-europe-central-key-seven",
        "sk-...f3a9",
        "sk-****f3a9",
        "sha256:" + "0a" * 32,
        "0a" * 32,
        "2f1e4fc4-81fd-4f28-9a5b-3f1c6f1b8c11",
        "key_AbC123",
        "key-0123456789abcdef0123456789abcdef",
        "Production-Key-Of-The-Billing-Team-7",
        "thebillingkeyoftheeuropeanproduction",
    ],
)
def test_ids_hashes_and_masked_keys_stay_as_they_are(name):
    assert key_id(name) == name


@pytest.mark.parametrize("written", ["Bearer sk-1234", "bearer  sk-1234", " sk-1234\n"])
def test_a_header_and_the_bare_key_give_the_same_id(written):
    assert key_id(written) == key_id("sk-1234")


def test_hashing_twice_changes_nothing():
    once = key_id("sk-1234")
    assert key_id(once) == once


def test_whatever_came_behind_bearer_is_hashed_unless_it_is_a_hash():
    assert key_id("Bearer hunter2").startswith("sha256:")
    assert key_id("Bearer " + "0a" * 32) == "0a" * 32


def looks_random(token: str) -> bool:
    """The third rule, one character after the other."""

    def class_of(character: str) -> str:
        if character.isdigit():
            return "digit"
        return "upper" if character.isupper() else "lower" if character.isalpha() else ""

    classes = [class_of(character) for character in token]
    seen = set(classes) - {""}
    if len(seen) < 2 or ("" in classes and len(seen) < 3):
        return False
    pairs = [(one, other) for one, other in pairwise(classes) if one and other]
    return sum(one != other for one, other in pairs) >= LIVE_CLASS_CHANGE_RATIO * len(pairs)


@pytest.mark.parametrize(
    "letters", ["aA0", "aB1_-+/=.~", "aaaaaaaB1-", "aaaa11", "aB-", "aaaaBBBB1"]
)
def test_a_long_token_is_random_if_enough_neighbours_differ(letters: str):
    chance = random.Random(letters)
    for _ in range(500):
        token = "".join(chance.choice(letters) for _ in range(chance.randint(33, 39)))
        assert is_live_secret(token) == looks_random(token)
