"""What becomes a hash, and what stays readable."""

import hashlib

import pytest

from spendwatch_client import key_id


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
