"""Digest answers against the worked examples of the RFCs."""

import pytest

from pbx.address import BadValue
from pbx.digest import Credentials, answer_challenge, parse_challenge, split_challenges


def answer(challenge: str, **given: str) -> str:
    parsed = parse_challenge(challenge)
    assert parsed is not None
    return answer_challenge(
        parsed, Credentials(given["name"], given["password"]), method=given["method"], uri=given["uri"], cnonce=given["cnonce"]
    )


RFC_7616 = {
    "name": "Mufasa",
    "password": "Circle of Life",
    "method": "GET",
    "uri": "/dir/index.html",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [("MD5", "8ca523f5e9506fed4657c9700eebdbec"), ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")],
)
def test_the_example_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    written = answer(challenge, **RFC_7616)
    assert f'response="{response}"' in written and "qop=auth, nc=00000001" in written and 'opaque="FQhe' in written


def test_the_example_of_rfc_2069_style_without_qop() -> None:
    written = answer(
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
        name="Mufasa",
        password="CircleOfLife",
        method="GET",
        uri="/dir/index.html",
        cnonce="x",
    )
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in written and "cnonce" not in written and "nc=" not in written


@pytest.mark.parametrize(
    "challenge", ["Basic realm=x", 'Digest realm="r", nonce="n", algorithm=SHA-1', 'Digest realm="r", nonce="n", qop="auth-int"']
)
def test_what_we_do_not_speak_is_not_answered(challenge: str) -> None:
    assert parse_challenge(challenge) is None


@pytest.mark.parametrize("challenge", ['Digest realm="r"', 'Digest nonce="n"', 'Digest realm="r, nonce="n"'])
def test_broken_challenges(challenge: str) -> None:
    with pytest.raises(BadValue):
        parse_challenge(challenge)


def test_several_challenges_on_one_line() -> None:
    line = 'Digest realm="a", nonce="1", Digest realm="b", nonce="2", Basic realm="c"'
    assert [challenge for _, challenge in split_challenges("WWW-Authenticate", [line])] == [
        'Digest realm="a", nonce="1"',
        'Digest realm="b", nonce="2"',
        'Basic realm="c"',
    ]


def test_challenges_of_unknown_schemes_are_none() -> None:
    assert split_challenges("WWW-Authenticate", ["Newer realm=x", ""]) == []
