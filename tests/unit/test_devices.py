"""What a person is told that they signed in with, and from where."""

import pytest

from api.identity.devices import Device

APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", "Chrome, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0", "Edge, Windows"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox, Windows"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {APPLE} Mobile/15E148 Safari/604.1", "Safari, iPhone"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) {APPLE} Safari/605.1.15", "Safari, macOS"),
        ("Mozilla/5.0 (Linux; Android 16; Pixel) AppleWebKit/537.36 Chrome/156.0.0.0 Mobile Safari/537.36", "Chrome, Android"),
        ("our own program\x07" + "x" * 300, "our own program" + "x" * 185),
        ("", ""),
    ],
)
def test_a_device_has_the_name_that_its_person_would_give_it(agent: str, kind: str) -> None:
    assert Device("192.0.2.1", agent).kind == kind


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("nonsense\n", "nonsense"),
    ],
)
def test_a_place_is_the_network_around_an_address(address: str, place: str) -> None:
    assert Device(address).place == place
