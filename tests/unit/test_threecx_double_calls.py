"""The emulated 3CX's calls: how they appear, what may be asked of them in which state, and every switch of what is assumed."""

import base64
import json
from random import Random

import pytest

from pbx.threecx.double.audio import FRAME_BYTES, LegAudio, Pcm, odd_chunks, silence, tone
from pbx.threecx.double.calls import Calls, Change, Digits, Rejected, Removed, Upserted
from pbx.threecx.double.control import Control
from pbx.threecx.double.directory import Device, Dn, DnType, Reaction, demo_directory
from pbx.threecx.double.events import Sequences, event, hears
from pbx.threecx.double.legs import ACTIONS, TRANSITIONS, Leg, Status, Step
from pbx.threecx.double.manners import BEHAVIOURS, Manners, UnknownManner
from pbx.threecx.double.reply import Reply
from pbx.threecx.double.tokens import Tokens

OUTSIDE = "+34600111222"


class Pbx:
    """The core with a clock that the test moves, and the demo client at its API."""

    def __init__(self, **choices: str) -> None:
        self.directory = demo_directory()
        self.changes: list[Change] = []
        self.calls = Calls(self.directory, Manners().with_(**choices), self.changes.append, random=Random(1))
        self.control = Control(self.calls)
        self.client = self.directory.principals["870"]
        self.now = 0.0

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.calls.timers.next_deadline()) is not None and due <= end:
            self.calls.timers.expire(due)
        self.now = end
        self.calls.timers.expire(end)

    def ask(self, method: str, path: str, body: object = None) -> Reply | None:
        """The reply, None where it is still to come."""
        replies: list[Reply] = []
        data = b"" if body is None else json.dumps(body).encode()
        self.control.handle(self.client, method, [part for part in path.split("/") if part], data, replies.append)
        return replies[0] if replies else None

    def get(self, path: str) -> Reply:
        reply = self.ask("GET", path)
        assert reply is not None
        return reply

    def post(self, path: str, body: object = None) -> Reply:
        reply = self.ask("POST", path, {} if body is None else body)
        assert reply is not None
        return reply

    def only(self, dn: str) -> Leg:
        (leg,) = self.calls.of(dn)
        return leg

    def act(self, leg: Leg, action: str, **fields: object) -> Reply:
        return self.post(f"{leg.dn}/participants/{leg.id}/{action}", fields)


def test_each_switch_is_a_named_behaviour_and_its_default_the_first_choice() -> None:
    choices = {behaviour.name: behaviour.choices for behaviour in BEHAVIOURS if behaviour.choices}
    assert Manners().positions() == {name: each[0] for name, each in choices.items()}
    assert len({behaviour.name for behaviour in BEHAVIOURS}) == len(BEHAVIOURS)
    with pytest.raises(UnknownManner, match="choose of"):
        Manners().with_(finalstatus="maybe")
    with pytest.raises(UnknownManner, match="no switch"):
        Manners().with_(nonsense="yes")


def test_no_step_leads_back_and_every_action_is_possible_somewhere() -> None:
    order = {Status.RINGING: 0, Status.DIALING: 1, Status.CONNECTED: 2}
    assert all(order[after] > order[before] for (before, _), after in TRANSITIONS.items())
    assert all(ACTIONS.values())
    assert {step for _, step in TRANSITIONS} == set(Step)


def test_a_call_from_outside_reaches_the_route_point_connected() -> None:
    pbx = Pbx()
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000000", name="Customer")
    leg = pbx.only("870")
    shown = pbx.get(f"870/participants/{leg.id}").body
    assert isinstance(shown, dict)
    assert shown["status"] == "Connected" and shown["party_dn_type"] == "Wexternalline" and shown["party_caller_id"] == OUTSIDE
    assert (shown["party_dn"], shown["party_caller_name"], shown["party_did"]) == ("10000", "Customer", "")
    assert (shown["originated_by_dn"], shown["originated_by_type"]) == ("ROUTER", "Wroutepoint")
    assert "participant_uid" not in shown
    pbx.calls.drop(trunk)
    assert pbx.get(f"870/participants/{leg.id}").status == 404
    told = [event(change) for change in pbx.changes if hears(pbx.client, change)]
    assert [(each["event_type"], each["attached_data"]) for each in told] == [(0, None), (1, None)]
    assert pbx.calls.active() == 0


def test_what_newer_builds_may_show() -> None:
    pbx = Pbx(participant_uid="present", inbound_did="filled")
    pbx.calls.arrive(OUTSIDE, "+34910000000")
    shown = pbx.get("870/participants").body
    assert isinstance(shown, list) and shown[0]["participant_uid"] and shown[0]["party_did"] == "+34910000000"


def test_an_extension_rings_with_repeats_until_it_is_answered_through_the_api() -> None:
    pbx = Pbx()
    pbx.calls.arrive(OUTSIDE, "+34910000001")
    leg = pbx.only("200")
    assert leg.status is Status.RINGING and leg.direct_control
    pbx.wait(2.3)
    repeats = [change for change in pbx.changes if change == Upserted(leg)]
    assert len(repeats) == 4  # at once, and each 750 ms
    assert pbx.act(leg, "answer").status == 200
    assert leg.status is Status.CONNECTED
    pbx.wait(5)
    assert len([change for change in pbx.changes if change == Upserted(leg)]) == 5
    assert pbx.act(leg, "answer").status == 422


def test_without_repeats_a_ringing_leg_is_told_once() -> None:
    pbx = Pbx(ringing_repeats="no")
    pbx.calls.arrive(OUTSIDE, "+34910000001")
    pbx.wait(5)
    assert len([change for change in pbx.changes if change == Upserted(pbx.only("200"))]) == 1


def test_who_gives_up_takes_the_ringing_leg_along_and_nobody_rings_for_ever() -> None:
    pbx = Pbx()
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000001")
    pbx.calls.drop(trunk)
    assert not pbx.calls.legs
    pbx.calls.arrive(OUTSIDE, "+34910000001")
    pbx.wait(pbx.directory.ring_s)
    assert not pbx.calls.legs
    pbx.wait(60)
    assert pbx.calls.timers.next_deadline() is None


def test_makecall_from_the_route_point_dials_then_connects() -> None:
    pbx = Pbx()
    reply = pbx.post("870/makecall", {"destination": OUTSIDE, "attacheddata": {"public_call_screening": "x"}})
    assert isinstance(reply.body, dict)
    assert (reply.status, reply.body["finalstatus"], reply.body["reason"]) == (200, "Success", "None")
    result = reply.body["result"]
    assert result["status"] == "Dialing" and result["party_caller_id"] == OUTSIDE and result["legid"] == 1
    pbx.wait(1.0)
    assert pbx.only("870").status is Status.CONNECTED
    far = pbx.only("10000")
    pbx.calls.press(far, "42#")
    assert isinstance(pbx.changes[-1], Digits)
    assert event(pbx.changes[-1])["attached_data"] == {"dtmf_input": "42#"}
    assert pbx.act(pbx.only("870"), "drop").status == 200
    assert not pbx.calls.legs


@pytest.mark.parametrize(("destination", "reason"), [("+34600000603", "gone"), ("+34600000604", "rings")])
def test_who_is_called_may_be_busy_or_never_answer(destination: str, reason: str) -> None:
    pbx = Pbx()
    pbx.post("870/makecall", {"destination": destination, "timeout": 7})
    pbx.wait(6)
    assert bool(pbx.calls.legs) == (reason == "rings")
    pbx.wait(1)
    assert not pbx.calls.legs


def test_makecall_is_rejected_with_a_text_and_the_manners_say_how() -> None:
    pbx = Pbx()
    pbx.directory.max_calls = 1
    pbx.calls.arrive(OUTSIDE, "+34910000000")
    reply = pbx.post("870/makecall", {"destination": OUTSIDE})
    assert isinstance(reply.body, dict)
    assert reply.status == 422 and reply.body["result"] is None and "simultaneous calls" in reply.body["reasontext"]
    numeric = Pbx(finalstatus="number", refused_makecall_code="200")
    reply = numeric.post("870/makecall", {"destination": "12"})
    assert reply.status == 200 and isinstance(reply.body, dict) and reply.body["finalstatus"] == 0


def test_a_transfer_between_two_trunk_legs_counts_twice_in_the_licence() -> None:
    pbx = Pbx()
    pbx.calls.arrive(OUTSIDE, "+34910000000")
    assert pbx.calls.active() == 1
    pbx.act(pbx.only("870"), "transferto", destination="+34600999888")
    assert pbx.calls.active() == 2


@pytest.mark.parametrize("body", [None, b"", b"[]", b"{", b'"x"'])
def test_a_post_without_a_json_object_is_refused(body: bytes | None) -> None:
    pbx = Pbx()
    replies: list[Reply] = []
    pbx.control.handle(pbx.client, "POST", ["870", "makecall"], body or b"", replies.append)
    assert [reply.status for reply in replies] == [400]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("200", 200),
        ("204", 403),
        ("10000", 403),
        ("200/devices/sip:nobody@127.0.0.1", 404),
        ("200/participants/999", 404),
        ("200/participants/x", 404),
        ("200/nonsense", 404),
    ],
)
def test_what_is_not_listed_is_forbidden_and_what_is_not_there_is_missing(path: str, status: int) -> None:
    assert Pbx().get(path).status == status


def test_the_snapshot_holds_own_and_monitored_dns_only() -> None:
    snapshot = Pbx().get("").body
    assert isinstance(snapshot, list)
    assert {dn["dn"] for dn in snapshot} == {"870", "200", "201", "202", "203", "800"}
    assert {dn["type"] for dn in snapshot} == {"Wroutepoint", "Wextension", "Wqueue"}


def test_only_what_it_has_direct_control_of_may_be_acted_on() -> None:
    pbx = Pbx()
    pbx.post("870/makecall", {"destination": "203"})  # a desk phone
    far = pbx.only("203")
    assert pbx.get(f"203/participants/{far.id}").status == 403
    assert [shown["id"] for shown in pbx.get("203/participants").body] == [far.id]  # type: ignore[attr-defined]
    assert pbx.act(far, "answer").status == 403 and pbx.act(far, "drop").status == 403
    lenient = Pbx(far_leg_by_id="shown")
    lenient.post("870/makecall", {"destination": "203"})
    assert lenient.get(f"203/participants/{lenient.only('203').id}").status == 200


def test_makecall_of_an_extension_with_several_devices_rings_its_phone_first() -> None:
    pbx = Pbx()
    assert pbx.post("202/makecall", {"destination": OUTSIDE}).status == 200
    leg = pbx.only("202")
    assert leg.status is Status.RINGING and not pbx.calls.of("10000")
    assert pbx.act(leg, "answer").status == 200
    assert leg.status is Status.DIALING
    pbx.wait(1)
    assert leg.status is Status.CONNECTED
    device = pbx.directory.dns["202"].devices[0].device_id
    other = Pbx()
    assert other.ask("POST", "202/devices/" + device.replace("/", ""), {"destination": OUTSIDE}) == Reply(404)
    replies: list[Reply] = []
    other.control.handle(other.client, "POST", ["202", "devices", device, "makecall"], b'{"destination": "201"}', replies.append)
    assert replies[0].status == 200 and other.only("202").status is Status.DIALING
    assert Pbx(legacy_makecall="dials").post("202/makecall", {"destination": "201"}).body["result"]["status"] == "Dialing"  # type: ignore[index]


def test_divert_while_ringing_and_transfer_while_connected_and_nothing_else() -> None:
    pbx = Pbx()
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000001")
    leg = pbx.only("200")
    assert pbx.act(leg, "transferto", destination="201").status == 422
    assert pbx.act(leg, "divert", destination="201").status == 200
    assert not leg.alive
    target = pbx.only("201")
    assert target.on_behalf_of.dn == "200" and target.callid == leg.callid
    pbx.calls.answer(target)
    assert pbx.act(target, "divert", destination="200").status == 422
    assert pbx.act(target, "transferto", destination="202").status == 200
    last = pbx.only("202")
    assert last.referred_by.dn == "201" and last.callid == trunk.callid and trunk.alive
    pbx.calls.answer(last)
    assert last.other is trunk and trunk.other is last
    assert pbx.act(last, "transferto", destination="12").status == 422
    assert last.alive


def test_a_blind_transfer_that_nobody_takes_ends_the_call() -> None:
    pbx = Pbx()
    pbx.calls.arrive(OUTSIDE, "+34910000000")
    pbx.act(pbx.only("870"), "transferto", destination="201", timeout=5)
    pbx.wait(5)
    assert not pbx.calls.legs


def test_routeto_answers_when_it_is_taken_and_the_caller_goes_on_without_the_route_point() -> None:
    pbx = Pbx()
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000000")
    leg = pbx.only("870")
    replies: list[Reply] = []
    path = ["870", "participants", str(leg.id), "routeto"]
    pbx.control.handle(pbx.client, "POST", path, b'{"destination": "201"}', replies.append)
    assert not replies and pbx.calls.is_routing(leg)
    pbx.calls.answer(pbx.only("201"))
    assert [reply.status for reply in replies] == [200] and leg.alive
    pbx.act(leg, "drop")
    assert trunk.alive and trunk.other is pbx.only("201")
    pbx.calls.drop(trunk)
    assert not pbx.calls.legs


def test_routeto_that_nobody_takes_leaves_the_caller_with_the_route_point() -> None:
    pbx = Pbx()
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000000")
    leg = pbx.only("870")
    replies: list[Reply] = []
    path = ["870", "participants", str(leg.id), "routeto"]
    pbx.control.handle(pbx.client, "POST", path, b'{"destination": "201", "timeout": 4}', replies.append)
    pbx.wait(4)
    assert [reply.status for reply in replies] == [422]
    assert trunk.alive and leg.alive and trunk.other is leg and not pbx.calls.of("201")


def test_a_ring_group_rings_all_and_one_wins() -> None:
    pbx = Pbx()
    pbx.directory.dids["+34910000009"] = "801"
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000009")
    ringing = [pbx.only(member) for member in ("200", "201", "202")]
    assert {leg.callid for leg in ringing} == {trunk.callid} and len({leg.legid for leg in ringing}) == 3
    assert all(leg.on_behalf_of.dn == "801" for leg in ringing)
    pbx.act(ringing[1], "answer")
    assert [leg.alive for leg in ringing] == [False, True, False]


def test_a_queue_shows_its_caller_and_rings_in_rounds_with_a_gap() -> None:
    pbx = Pbx()
    pbx.directory.dns["800"].logged_out.add("201")
    pbx.directory.ring_s = 60.0
    pbx.calls.arrive(OUTSIDE, "+34910000002")
    assert pbx.only("800").other is pbx.only("10000")
    assert pbx.calls.of("200") and not pbx.calls.of("201")
    pbx.wait(12.0)
    assert not pbx.calls.of("200")
    pbx.wait(1.5)
    pbx.act(pbx.only("200"), "answer")
    assert not pbx.calls.of("800")
    pbx.wait(60)
    assert pbx.only("200").status is Status.CONNECTED
    hidden = Pbx(queue_shows_caller="no")
    hidden.calls.arrive(OUTSIDE, "+34910000002")
    assert not hidden.calls.of("800")


def test_voicemail_takes_what_nobody_answers() -> None:
    pbx = Pbx()
    pbx.directory.dns["203"].voicemail = True
    pbx.post("870/makecall", {"destination": "203", "timeout": 3})
    pbx.wait(3)
    own = pbx.only("870")
    assert own.status is Status.CONNECTED and own.party.kind is DnType.MENU


def test_whether_a_route_points_leg_may_be_answered_is_a_switch() -> None:
    for choice, status in (("refused", 422), ("accepted", 200)):
        pbx = Pbx(answered_route_point=choice)
        pbx.calls.arrive(OUTSIDE, "+34910000000")
        assert pbx.act(pbx.only("870"), "answer").status == status


def test_data_may_be_attached_to_either_side() -> None:
    pbx = Pbx()
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000000")
    leg = pbx.only("870")
    assert pbx.act(leg, "attach_participant_data", attacheddata={"a": "1"}).status == 200
    assert pbx.act(leg, "attach_party_data", attacheddata={"b": "2"}).status == 200
    assert leg.attached == {"a": "1"} and trunk.attached == {"b": "2"}
    assert pbx.act(leg, "attach_party_data", attacheddata=[1]).status == 400


def test_a_restart_forgets_all_and_counts_from_one() -> None:
    pbx = Pbx()
    pbx.calls.arrive(OUTSIDE, "+34910000001")
    pbx.calls.restart()
    pbx.wait(100)
    assert not [change for change in pbx.changes if isinstance(change, Removed)]
    leg = pbx.calls.arrive(OUTSIDE, "+34910000000")
    assert (leg.id, leg.callid, leg.legid) == (1, 1, 1)


def test_nobody_takes_a_call_to_an_unknown_number_or_a_phone_that_is_not_there() -> None:
    pbx = Pbx()
    with pytest.raises(Rejected, match="no inbound rule"):
        pbx.calls.arrive(OUTSIDE, "+34999999999")
    pbx.directory.dns["204"] = Dn("204", DnType.EXTENSION)
    pbx.directory.dids["+34910000004"] = "204"
    pbx.calls.arrive(OUTSIDE, "+34910000004")
    assert not pbx.calls.legs


def test_a_person_may_answer_and_hang_up_by_themselves() -> None:
    pbx = Pbx()
    pbx.directory.dns["205"] = Dn(
        "205", DnType.EXTENSION, devices=[Device("sip:205@192.0.2.5")], reaction=Reaction(answer_after_s=2, hang_up_after_s=3)
    )
    pbx.post("870/makecall", {"destination": "205"})
    pbx.wait(2)
    assert pbx.only("870").status is Status.CONNECTED
    pbx.wait(3)
    assert not pbx.calls.legs


@pytest.mark.parametrize("code", ["422", "400", "403"])
def test_the_code_for_a_wrong_state_is_a_switch(code: str) -> None:
    pbx = Pbx(wrong_state_code=code)
    pbx.calls.arrive(OUTSIDE, "+34910000001")
    assert pbx.act(pbx.only("200"), "transferto", destination="201").status == int(code)


def test_numbers_of_events_count_for_all_sockets_or_for_each() -> None:
    for choice, second in (("global", 2), ("connection", 1)):
        sequences = Sequences(Manners().with_(sequence_scope=choice))
        one, two = sequences.for_socket(), sequences.for_socket()
        assert (next(one), next(two)) == (1, second)
        sequences.restart()
        assert next(sequences.for_socket()) == 1


def test_sound_that_runs_ahead_of_real_time_is_measured_and_bounded() -> None:
    audio = LegAudio(silence)
    for at in (0.0, 0.02, 0.04):
        audio.post(bytes(FRAME_BYTES), at)
    assert audio.lead_s() == pytest.approx(0.02)
    audio.post(bytes(8000), 0.06)
    assert audio.lead_s() == pytest.approx(0.5)
    pcm = Pcm(longest_ms=40)
    pcm.push(b"old!" * 80 + b"newer..." * 80)
    assert pcm.pull() == b"newer..." * 40 and len(pcm.pull()) == FRAME_BYTES and pcm.pull() == bytes(FRAME_BYTES)


def test_chunks_have_odd_borders_and_lose_nothing() -> None:
    chunks = odd_chunks(tone(), Random(4))
    taken = [next(chunks) for _ in range(50)]
    assert any(len(chunk) % 2 for chunk in taken)
    voice, heard = tone(), b"".join(taken)
    assert heard == b"".join(voice() for _ in range(51))[: len(heard)]


def test_a_token_says_who_and_how_long_and_another_ends_it() -> None:
    revoked: list[str] = []
    tokens = Tokens(demo_directory(), Manners(), revoked.append, issuer="pbx:5001", random=Random(5))
    form = {"grant_type": "client_credentials", "client_id": "870", "client_secret": "demo-secret"}
    body = tokens.issue(form, 1000.0).body
    assert isinstance(body, dict)
    head, claims, seal = body["access_token"].split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (told["unique_name"], told["exp"] - told["iat"], told["iss"]) == ("870", 3600, "pbx:5001") and head and seal
    bearer = f"Bearer {body['access_token']}"
    assert tokens.bearer(bearer, 4599.0) is not None and tokens.bearer(bearer, 4600.0) is None
    assert tokens.bearer(body["access_token"], 1000.0) is None
    tokens.steal("870", 1001.0)
    assert tokens.bearer(bearer, 1001.0) is None and revoked == ["870"]
