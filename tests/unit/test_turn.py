"""Time-limited TURN credentials, as coturn computes them too."""

import base64
import hashlib
import hmac

import pytest

from api.settings.faults import ConfigError
from api.settings.tree import Settings
from api.turn import TurnAccess


def test_the_user_name_is_the_expiry_and_the_password_its_hmac() -> None:
    (server,) = TurnAccess(("turn:turn.example:3478",), "north", 600.0, clock=lambda: 1_700_000_000.9).of("ana")
    assert (server.urls, server.username) == (["turn:turn.example:3478"], "1700000600:ana")
    assert server.credential == base64.b64encode(hmac.new(b"north", b"1700000600:ana", hashlib.sha1).digest()).decode()


def test_without_a_server_nothing_is_handed_out() -> None:
    assert TurnAccess((), "north", 600.0).of("ana") == []


@pytest.mark.parametrize(
    ("turn", "fault"),
    [
        ({"urls": "turn.example:3478"}, "turn:"),
        ({"urls": "turn:turn.example"}, "secret"),
        ({"urls": "https://turn.example", "secret": "s"}, "turn:"),
        ({"secret": "s" * 20, "urls": "turn:a,turn:b,turn:c,turn:d,turn:e"}, "at most 4"),
    ],
)
def test_half_a_relay_is_refused(turn: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Settings.load(env={}, overrides={"turn": turn})


def test_the_secret_is_masked() -> None:
    settings = Settings.load(env={"CENTRALITA_TURN__SECRET": "canary", "CENTRALITA_TURN__URLS": "turn:a:3478,turns:a:5349?transport=tcp"})
    assert settings.turn.urls == ("turn:a:3478", "turns:a:5349?transport=tcp")
    assert "canary" not in str(settings.masked())
