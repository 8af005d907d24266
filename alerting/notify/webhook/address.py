"""Which addresses a webhook must not reach: those that hand out a machine's own credentials.

Whoever may write a webhook's URL, or its DNS, must not thereby read the cloud's metadata service.
The check is made on the address that is connected to, after the name was resolved. Private networks
are fine: spendwatch is self-hosted and so are its receivers.

Sources: RFC 3927 (169.254/16), RFC 4291 §2.5.6 (fe80::/10), RFC 6052 (64:ff9b::/96); metadata
addresses of AWS (169.254.169.254, fd00:ec2::254), Alibaba Cloud (100.100.100.200) and Oracle
(192.0.0.192), vendors' pages as of 2026-11.
"""

import socket
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from aiohttp.abc import AbstractResolver, ResolveResult

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

BLOCKED_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "fd00:ec2::254/128",
        "ff00::/8",
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")


class BlockedAddressError(OSError):
    """The name leads to an address that webhooks must not reach."""


def _plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where it is only wrapped."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_blocked(text: str, allow_networks: Sequence[Network] = ()) -> bool:
    """Whether an address is out of bounds.

    >>> is_blocked("169.254.169.254"), is_blocked("::ffff:169.254.169.254"), is_blocked("10.0.0.5")
    (True, True, False)

    Raises:
        ValueError: if the text is no address.
    """
    address = _plain(ip_address(text.partition("%")[0]))
    if any(address in network for network in allow_networks):
        return False
    return any(address in network for network in BLOCKED_NETWORKS)


class GuardedResolver(AbstractResolver):
    """Resolves by another resolver and refuses a name that has any blocked address."""

    def __init__(self, inner: AbstractResolver, allow_networks: Sequence[Network]) -> None:
        self._inner = inner
        self._allow_networks = tuple(allow_networks)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            BlockedAddressError: if one of them is out of bounds.
            OSError: if the name does not resolve.
        """
        found = await self._inner.resolve(host, port, family)
        if any(is_blocked(result["host"], self._allow_networks) for result in found):
            raise BlockedAddressError("blocked address")
        return found

    async def close(self) -> None:
        """Closes the inner resolver."""
        await self._inner.close()
