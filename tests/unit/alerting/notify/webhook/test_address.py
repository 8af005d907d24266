import socket
from ipaddress import ip_network

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from alerting.notify.webhook.address import BlockedAddressError, GuardedResolver, is_blocked
from alerting.notify.webhook.config import WebhookConfig
from alerting.notify.webhook.notifier import WebhookNotifier


@pytest.mark.parametrize(
    ("address", "blocked"),
    [
        ("169.254.169.254", True),
        ("169.254.0.1", True),
        ("169.253.255.255", False),
        ("100.100.100.200", True),
        ("100.100.100.201", False),
        ("192.0.0.192", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("255.255.255.255", True),
        ("10.0.0.5", False),
        ("127.0.0.1", False),
        ("8.8.8.8", False),
        ("::", True),
        ("fe80::1%eth0", True),
        ("ff02::1", True),
        ("fd00:ec2::254", True),
        ("fd00:ec2::253", False),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("64:ff9b::808:808", False),
        ("2001:db8::1", False),
    ],
)
def test_addresses_that_hand_out_credentials_are_out_of_bounds(address: str, *, blocked: bool):
    assert is_blocked(address) is blocked


def test_what_is_allowed_by_the_configuration_is_allowed():
    assert not is_blocked("169.254.1.5", [ip_network("169.254.1.0/24")])
    assert is_blocked("169.254.169.254", [ip_network("169.254.1.0/24")])


class FakeResolver(AbstractResolver):
    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.is_closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=found, port=port, family=family, proto=0, flags=0)
            for found in self.hosts
        ]

    async def close(self) -> None:
        self.is_closed = True


async def test_one_bad_address_among_good_ones_is_enough():
    with pytest.raises(BlockedAddressError):
        await GuardedResolver(FakeResolver("8.8.8.8", "169.254.169.254"), ()).resolve("x", 80)


async def test_good_addresses_pass_and_closing_is_handed_on():
    inner = FakeResolver("8.8.8.8")
    guarded = GuardedResolver(inner, ())
    assert [result["host"] for result in await guarded.resolve("x", 80)] == ["8.8.8.8"]
    await guarded.close()
    assert inner.is_closed


async def test_a_webhook_that_never_sent_can_be_closed():
    secret = "whsec_" + "A" * 40
    config = WebhookConfig.model_validate(
        {"url": "https://x.example", "signing_secrets": ["env:S"]}
    )
    await WebhookNotifier(config, clock=float, environ={"S": secret}).close()
