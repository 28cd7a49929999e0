"""Where requests of ours may lead."""

import pytest

from api.outward import InsideError, may_not_be_reached, refuse_inside

PRIVATE = ("127.0.0.1", "10.1.2.3", "192.168.0.1", "100.64.0.1", "::1", "fd00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "::127.0.0.1")
NEVER = ("169.254.169.254", "0.0.0.0", "224.0.0.1", "[fe80::1]", "fe80::1%eth0", "::", "ff02::1", "fd00:ec2::254")
WRAPPED = ("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::")
PUBLIC = ("hooks.example", "8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808")


@pytest.mark.parametrize("host", PRIVATE)
def test_private_networks_are_reached_where_that_is_allowed(host: str) -> None:
    assert may_not_be_reached(host, allow_private=False)
    assert not may_not_be_reached(host, allow_private=True)


@pytest.mark.parametrize("host", NEVER + WRAPPED)
def test_where_clouds_keep_their_keys_is_never_reached(host: str) -> None:
    assert may_not_be_reached(host, allow_private=False)
    assert may_not_be_reached(host, allow_private=True)


@pytest.mark.parametrize("host", PUBLIC)
def test_the_public_network_is_reached(host: str) -> None:
    assert not may_not_be_reached(host, allow_private=False)


def test_an_address_in_numbers_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InsideError, match="private network"):
        refuse_inside("http://[::ffff:127.0.0.1]:8080/x", allow_private=False)
    refuse_inside("http://127.0.0.1/", allow_private=True)
