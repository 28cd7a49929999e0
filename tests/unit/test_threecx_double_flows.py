"""The usual calls as the emulated 3CX shows them, and the format in which a real one's are recorded beside them."""

import json

import pytest

from pbx.threecx.double.flows import FLOWS, Flow, play
from pbx.threecx.double.manners import Manners
from pbx.threecx.double.trace import BadTrace, Redaction, Trace, differences, read_trace


@pytest.mark.parametrize("flow", FLOWS, ids=[f"{flow.basis.value}-{flow.name}" for flow in FLOWS])
def test_how_a_call_appears(flow: Flow) -> None:
    assert tuple(play(flow).shape()) == flow.seen


def test_a_trace_is_written_and_read_and_compared() -> None:
    flow = next(flow for flow in FLOWS if flow.name == "queue")
    trace = play(flow)
    again = read_trace(trace.write())
    assert (again.flow, again.basis, again.shape()) == ("queue", "assumed", trace.shape())
    assert not differences(again, trace)
    other = play(flow, Manners().with_(queue_shows_caller="no"))
    assert [line for line in differences(other, trace) if line[0] in "+-"] == ["- 800 Connected with externalline", "- 800 removed"]


@pytest.mark.parametrize("text", ["", "[]", '{"flow": 1}', '{"flow":"a","basis":"b","pbx":"c"}\n{"what": 1}', "no JSON"])
def test_what_is_no_trace(text: str) -> None:
    with pytest.raises(BadTrace):
        read_trace(text)


def test_nothing_personal_is_kept_and_the_same_stays_the_same() -> None:
    trace = Trace("a", "b", "c")
    entity = "/callcontrol/200/participants/7"
    assert trace.frame(1.0, json.dumps({"sequence": 1, "event": {"event_type": 0, "entity": entity, "attached_data": None}})) == entity
    body = {
        "dn": "200",
        "status": "Ringing",
        "party_caller_name": "Rosa Sol",
        "party_caller_id": "+34 600 111 222",
        "party_did": "0034600111222",
        "device_id": "sip:200@10.1.2.3:5060;rinstance=abc",
        "participant_uid": "u-1",
        "party_dn_type": "Wexternalline",
    }
    trace.read(1.1, entity, 200, body)
    trace.read(1.2, entity, 200, body | {"party_caller_id": "+34600111222"})
    digits = {"event_type": 2, "entity": entity, "attached_data": {"dtmf_input": "1234#"}}
    assert trace.frame(1.3, json.dumps({"sequence": 2, "event": digits})) is None
    trace.frame(1.4, "{broken")
    text = trace.write()
    for personal in ("Rosa", "600", "111222", "10.1.2.3", "u-1", "1234", "broken"):
        assert personal not in text
    first, second = trace.lines[1]["body"], trace.lines[2]["body"]
    assert first == second and first["party_caller_id"] == "+99000001" and first["party_caller_name"] == "name1"
    assert trace.shape() == ["200 Ringing with externalline", "200 digits"]


def test_a_redaction_leaves_extensions_and_words() -> None:
    kept = {"dn": "205", "status": "Connected", "callid": 12, "nothing": None, "list": ["870"]}
    assert Redaction().of(kept) == kept
