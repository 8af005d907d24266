"""An address is taken before anybody is told of it, or the error says what to change."""

import socket

import pytest

from stream.address import AddressTakenError, bind


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_port_is_known_before_anybody_is_told_of_it(host: str):
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with bind(host, 0, key="watch.port") as listener:
        assert listener.getsockname()[1] > 0


def test_an_address_that_is_not_ours_is_an_error():
    with pytest.raises(AddressTakenError, match=r"watch\.port"):
        bind("192.0.2.1", 0, key="watch.port")
