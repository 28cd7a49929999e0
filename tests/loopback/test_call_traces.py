"""What went over the wire of a call's legs: kept with its record, without secrets, and shown by any node after a restart."""

from pathlib import Path

from api.call_traces import MOST_PATHS, CallTraces, read_traces
from api.store import Store
from pbx.ladder import LONGEST_S, QUIET_S, UNKNOWN_S, Ladder, rung_of
from pbx.message import parse_message
from pbx.transactions import Hop
from signaling.messages import PeerPath
from tests.kit.vaults import VAULT
from tests.loopback.test_call_history import INVITE, NUMBER, RINGING, bearer, record, site

PEER = Hop("udp", "10.0.0.2", 5060)
KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
SDP = (
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=sendrecv\r\n"
)
SECRETS = (KEY, "asd88fgpdd777uzjYhagZg", "response-of-digest", "eyJhbGciOiJFUzI1NiJ9", "push-token-of-phone")


def message(line: str, body: str = "", *headers: str) -> bytes:
    head = [line, *INVITE.split("\r\n")[1:6], *headers, f"Content-Length: {len(body)}"]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def path(peer_id: str = "p1", **ways: str) -> PeerPath:
    return PeerPath(call_id="traced", peer_id=peer_id, **{"local": "host", "remote": "host", "protocol": "udp"} | ways)  # type: ignore[arg-type]


def test_a_rung_has_the_headers_that_matter_and_nothing_secret() -> None:
    invite = message(
        "INVITE sip:+34600111222@pbx.example;pn-prid=push-token-of-phone SIP/2.0",
        SDP,
        'Authorization: Digest username="us", response="response-of-digest"',
        "Identity: eyJhbGciOiJFUzI1NiJ9.e30.c2ln;info=<https://cert.example>",
        "User-Agent: Phone 1.0",
        "Content-Type: application/sdp",
    )
    rung = rung_of(parse_message(invite), PEER, 1.0, sent=True)
    assert dict(rung.headers)["User-Agent"] == "Phone 1.0" and rung.sdp
    assert {"a=rtpmap:8 PCMA/8000", "m=audio 40000 RTP/SAVP 8 101", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 …"} <= set(rung.described)
    assert not [secret for secret in SECRETS if secret in repr(rung)]
    many = message("INVITE sip:a@b SIP/2.0", "", *(f"Record-Route: <sip:a;x={'y' * 900}>",) * 60)
    assert len(repr(rung_of(parse_message(many), PEER, 1.0, sent=True))) < 9_000


def test_messages_are_taken_once_a_leg_is_known_and_quiet_and_each_once() -> None:
    ladder = Ladder()
    ladder.note(parse_message(INVITE.encode()), PEER, 0.0, sent=True)
    assert list(ladder.take(QUIET_S, {"a"})) == [], "nobody knows whose it is"
    ladder.name("a", "one")
    assert list(ladder.take(QUIET_S, ())) == [] and list(ladder.take(QUIET_S - 0.5, {"a"})) == []
    (first,) = ladder.take(QUIET_S, {"a"})
    assert (first.leg_id, first.number, [rung.at for rung in first.rungs]) == ("a", 0, [0.0])
    for at in (20.0, 22.0, 24.0, 26.0, 28.0, 30.0):
        ladder.note(parse_message(RINGING.encode()), PEER, at, sent=False)
    assert ladder.of("a")[0][0].at == 20.0, "what was taken is the taker's"
    assert list(ladder.take(29.0, {"a"})) == []
    (second,) = ladder.take(20.0 + LONGEST_S, {"a"})
    assert (second.number, len(second.rungs)) == (1, 6), "who never is quiet waits no longer than that"
    ladder.note(parse_message(INVITE.replace("one", "two").encode()), PEER, 40.0, sent=True)
    assert list(ladder.take(40.0 + UNKNOWN_S, {"a"}, all_of_it=True)) == []
    ladder.name("b", "two")
    assert list(ladder.take(900.0, {"b"}, all_of_it=True)) == [], "given up"


async def test_another_node_shows_a_calls_messages_and_ways_after_this_one_is_gone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.sqlite3"
    now = [1.0]
    async with Store.open(url, vault=VAULT) as store:
        await store.people.save_user("ana", name="Ana", role="agent", password_hash="", teams=["hotels"])
        ladder = Ladder()
        async with CallTraces(store.writer, ladder, lambda at: 1_000.0 + at, lambda: now[0]) as traces:
            traces.hear_record(record("traced", "ana", 1.0))
            ladder.name("traced-phone", "one")
            ladder.note(parse_message(INVITE.encode()), PEER, 1.0, sent=True)
            traces.write()
            traces.hear_path("traced", "traced-ana", path())
            now[0] = 60.0
            traces.hear_path("traced", "traced-ana", path())
            traces.hear_path("traced", "traced-ana", path("p2", local="relay", relay="tls", protocol="udp", family="ipv6", network="wifi"))
            ladder.note(parse_message(RINGING.encode()), PEER, 2.0, sent=False)
        store.put_call(record("traced", "ana", 1.0), lambda at_s: at_s)
        await store.flush()
    written = (tmp_path / "calls.sqlite3").read_bytes()
    assert NUMBER[1:].encode() not in written and b"pbx.example" not in written, "sealed"
    async with Store.open(url, vault=VAULT, node="other") as store, site(store, Ladder()) as http:
        async with http.get("/api/v1/calls/traced/signalling", headers=bearer("supervisor", "hotels")) as answer:
            told = await answer.json()
        assert [(rung["leg_id"], rung["at"], rung["line"]) for rung in told["rungs"]] == [
            ("traced-phone", 1_001.0, f"INVITE sip:{NUMBER}@pbx.example"),
            ("traced-phone", 1_002.0, "180 Ringing"),
        ]
        assert ["To", f"<sip:{NUMBER}@pbx>"] in told["rungs"][0]["headers"]
        assert [(way["at"], way["connection"], way["local"], way["relay"], way["family"]) for way in told["paths"]] == [
            (1_001.0, 1, "host", "", "unknown"),
            (1_060.0, 2, "relay", "tls", "ipv6"),
        ], "what did not change is not told again"
        async with http.get("/api/v1/calls/traced/signalling", headers=bearer("service")) as answer:
            assert NUMBER[3:] not in await answer.text()
        VAULT.erase([VAULT.person("call", "traced")])
        async with http.get("/api/v1/calls/traced/signalling", headers=bearer("supervisor", "hotels")) as answer:
            forgotten = await answer.json()
        assert (forgotten["kept"], forgotten["paths"]) == (False, []), "erased with the call"


async def test_a_browser_that_changes_its_way_for_ever_is_kept_so_often_and_no_more(tmp_path: Path) -> None:
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=VAULT) as store:
        traces = CallTraces(store.writer, Ladder(), lambda at: at, lambda: 5.0)
        for turn in range(2 * MOST_PATHS):
            traces.hear_path("c2", "c2-ana", path(local="host" if turn % 2 else "srflx"))
        await store.flush()
        _, ways, _ = read_traces(await store.history.traces("c2"))
        assert len(ways["c2-ana"]) == MOST_PATHS
